//! The Merkle tree of RFC 6962, section 2.1: root, inclusion and consistency, and how each is checked (RFC 9162, 2.1.3.2 and
//! 2.1.4.2). Pure; does not know logs.

use sha2::{Digest as _, Sha256};
use sinew_contract::Digest;

/// The hash of a leaf: SHA-256 over a zero byte and the data.
pub fn leaf(data: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The largest power of two below `n`, which is at least two.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// The root over hashed leaves; that of no leaves is the hash of nothing.
pub(super) fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest(Sha256::digest([]).into()),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The siblings on the way from a leaf to the root, the lowest first.
pub(super) fn inclusion(leaves: &[Digest], at: usize) -> Vec<Digest> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let half = split(leaves.len());
    let (left, right) = leaves.split_at(half);
    let (mut path, sibling) = match at.checked_sub(half) {
        None => (inclusion(left, at), root(right)),
        Some(at) => (inclusion(right, at), root(left)),
    };
    path.push(sibling);
    path
}

/// The hashes that show that the first `size` leaves are the beginning of all of them.
pub(super) fn consistency(leaves: &[Digest], size: usize) -> Vec<Digest> {
    if size == 0 || size == leaves.len() { Vec::new() } else { parts(leaves, size, true) }
}

fn parts(leaves: &[Digest], size: usize, whole: bool) -> Vec<Digest> {
    if size == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let half = split(leaves.len());
    let (left, right) = leaves.split_at(half);
    let (mut path, other) = match size.checked_sub(half).filter(|rest| *rest > 0) {
        None => (parts(left, size, whole), root(right)),
        Some(rest) => (parts(right, rest, false), root(left)),
    };
    path.push(other);
    path
}

/// Says whether a proof shows that `leaf` is number `at` (from 0) of `size` leaves under `root`.
pub fn holds_inclusion(leaf: Digest, at: u64, size: u64, proof: &[Digest], root: Digest) -> bool {
    if at >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (at, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == root
}

/// Says whether a proof shows that the tree of `new` leaves goes on from the tree of `old` leaves.
pub fn holds_consistency(old: u64, new: u64, proof: &[Digest], old_root: Digest, new_root: Digest) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return false;
    }
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    // A whole subtree on the left is its own beginning.
    let mut path = proof.iter();
    let Some(first) = (if old.is_power_of_two() { Some(&old_root) } else { path.next() }) else { return false };
    let (mut before, mut after) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (before, after) = (node(sibling, &before), node(sibling, &after));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            after = node(&after, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && before == old_root && after == new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
    }

    #[test]
    fn the_roots_are_those_of_the_standards_own_test_data() {
        // The reference vectors of Certificate Transparency's Merkle tree tests: these eight leaves, and the roots over them.
        let data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex")).collect()
        };
        let leaves: Vec<_> = data.iter().map(|hex| leaf(&bytes(hex))).collect();
        let check = |count: usize, expected: &str| assert_eq!(root(&leaves[..count]).to_string(), expected, "{count}");
        check(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check(1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        check(2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        check(3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        check(7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c");
        check(8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn every_proof_of_every_small_tree_holds_and_holds_for_nothing_else() {
        for size in 1..34_usize {
            let all = leaves(size);
            let top = root(&all);
            for at in 0..size {
                let proof = inclusion(&all, at);
                let holds = |leaf, at: usize, size: usize, proof: &[Digest]| {
                    holds_inclusion(leaf, at as u64, size as u64, proof, top)
                };
                assert!(holds(all[at], at, size, &proof), "{at} of {size}");
                assert!(!holds(leaf(b"other"), at, size, &proof));
                assert!(size == 1 || !holds(all[at], (at + 1) % size, size, &proof), "{at} of {size}");
                assert!(proof.is_empty() || !holds(all[at], at, size, &proof[1..]));
                assert!(!holds(all[at], at, size, &[&proof[..], &[top]].concat()));
            }
            for old in 1..=size {
                let (proof, was) = (consistency(&all, old), root(&all[..old]));
                let holds = |proof: &[Digest], was, now| holds_consistency(old as u64, size as u64, proof, was, now);
                assert!(holds(&proof, was, top), "{old} of {size}");
                assert!(!holds(&proof, leaf(b"other"), top) && !holds(&proof, was, leaf(b"other")), "{old} of {size}");
                assert!(proof.is_empty() || !holds(&proof[1..], was, top), "{old} of {size}");
            }
        }
    }
}

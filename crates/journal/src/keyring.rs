//! The keys: root -> scope -> subject, and the one that signs. One file, readable by its owner alone.
//!
//! Does not know entries. A subject's key is random and wrapped; overwriting its slot erases whatever it sealed.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | `SINEWKEY` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | CRC32C of bytes 16 to 96 |
//! | 16 | 16 | log id |
//! | 32 | 32 | root key |
//! | 64 | 32 | Ed25519 seed |
//! | 512 + 128 i | 128 | slot i |
//!
//! A slot lies within one sector, so it is written whole or not at all:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | 1 live, 2 erased |
//! | 4 | 4 | CRC32C of the state and of bytes 8 to 84 |
//! | 8 | 16 | subject key id |
//! | 24 | 12 | nonce |
//! | 36 | 48 | the key, wrapped with ChaCha20-Poly1305 (RFC 8439) under the scope's wrapping key |

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sinew_contract::{LogId, Scope, SubjectKeyId, Touch};

use crate::disk::{self, Disk, DiskFile, Mode};
use crate::error::OpenError;
use crate::header::take;

const MAGIC: &[u8; 8] = b"SINEWKEY";
const VERSION: u32 = 1;
const SLOTS_AT: u64 = 512;
const SLOT: usize = 128;
const LIVE: u32 = 1;
const ERASED: u32 = 2;

/// 32 secret bytes.
pub(crate) type Key = [u8; 32];

/// The keys of one data directory.
pub(crate) struct Keyring {
    file: Arc<dyn DiskFile>,
    root: Key,
    signing: SigningKey,
    log: LogId,
    scopes: RwLock<HashMap<Scope, Arc<ScopeKeys>>>,
    slots: RwLock<Slots>,
}

/// The keys of one tenant, each derived for one use.
pub(crate) struct ScopeKeys {
    touches: Hmac<Sha256>,
    subjects: Hmac<Sha256>,
    labels: Hmac<Sha256>,
    wrapping: ChaCha20Poly1305,
}

#[derive(Default)]
struct Slots {
    by_id: HashMap<SubjectKeyId, Slot>,
    /// Where the next one goes.
    end: u64,
}

#[derive(Clone)]
struct Slot {
    at: u64,
    /// Nonce and wrapped key; none once erased.
    wrapped: Option<([u8; 12], [u8; 48])>,
}

/// What became of a subject's key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Key(Key),
    Erased,
    Missing,
}

fn derive(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Key {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(info, &mut key)
        .expect("invariant: 32 bytes can be expanded");
    key
}

/// HKDF-SHA256 (RFC 5869) from all the keys that seal one payload.
pub(crate) fn payload_key(keys: &[Key], log: LogId, info: &[&[u8]]) -> Key {
    derive(&keys.concat(), &log.0, info)
}

fn mac(key: &Key) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("invariant: HMAC takes keys of any length")
}

fn tag(mac: &Hmac<Sha256>, bytes: &[u8]) -> [u8; 32] {
    mac.clone().chain_update(bytes).finalize().into_bytes().into()
}

fn first_half(tag: [u8; 32]) -> [u8; 16] {
    let [half, _] = [tag[..16].try_into(), tag[16..].try_into()].map(|h| h.expect("invariant: 16 of 32 bytes"));
    half
}

impl ScopeKeys {
    fn new(root: &Key, log: LogId, scope: &Scope) -> Self {
        let key = derive(root, &log.0, &[b"sinew scope v1 ", scope.as_str().as_bytes()]);
        let sub = |purpose: &[u8]| derive(&key, &log.0, &[b"sinew scope key v1 ", purpose]);
        Self {
            touches: mac(&sub(b"touches")),
            subjects: mac(&sub(b"subjects")),
            labels: mac(&sub(b"labels")),
            wrapping: ChaCha20Poly1305::new(&sub(b"wrapping").into()),
        }
    }

    /// The keyed digest of a guarded key.
    pub fn touch(&self, text: &str) -> Touch {
        Touch(first_half(tag(&self.touches, text.as_bytes())))
    }

    /// The keyed digest of a subject's name, under which its key is kept. Each erasure begins a new generation.
    fn subject(&self, name: &str, generation: u32) -> SubjectKeyId {
        SubjectKeyId(first_half(tag(&self.subjects, &[&generation.to_le_bytes(), name.as_bytes()].concat())))
    }

    /// The keyed digest of labels that outlive an erasure.
    pub fn labels(&self, bytes: &[u8]) -> [u8; 32] {
        tag(&self.labels, bytes)
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// The fixed part of the file.
struct Preamble {
    log: LogId,
    root: Key,
    seed: Key,
}

impl Preamble {
    fn draw() -> io::Result<Self> {
        Ok(Self { log: LogId(random()?), root: random()?, seed: random()? })
    }

    fn encode(&self) -> Vec<u8> {
        let secrets = [&self.log.0[..], &self.root, &self.seed].concat();
        let mut bytes = [MAGIC, &VERSION.to_le_bytes()[..], &crc32c::crc32c(&secrets).to_le_bytes(), &secrets].concat();
        bytes.resize(usize::try_from(SLOTS_AT).expect("invariant: 512 fits"), 0);
        bytes
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self, OpenError> {
        let foreign = |why: &str| OpenError::Foreign { path: path.to_path_buf(), why: why.into() };
        let mut rest = bytes;
        if take(&mut rest).as_ref() != Some(MAGIC) {
            return Err(foreign("it does not start like a key file; restore it from a copy"));
        }
        let parts = (|| {
            let version = u32::from_le_bytes(take(&mut rest)?);
            let crc = u32::from_le_bytes(take(&mut rest)?);
            let sound = crc == crc32c::crc32c(rest.get(..80)?);
            Some((version, sound, LogId(take(&mut rest)?), take(&mut rest)?, take(&mut rest)?))
        })();
        match parts {
            Some((found, ..)) if found > VERSION => {
                Err(OpenError::Newer { path: path.to_path_buf(), found, known: VERSION })
            }
            Some((VERSION, true, log, root, seed)) => Ok(Self { log, root, seed }),
            _ => Err(foreign("its checksum does not hold; restore it from a copy")),
        }
    }
}

fn encode_slot(state: u32, id: SubjectKeyId, nonce: [u8; 12], wrapped: &[u8]) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[..4].copy_from_slice(&state.to_le_bytes());
    bytes[8..24].copy_from_slice(&id.0);
    bytes[24..36].copy_from_slice(&nonce);
    bytes[36..36 + wrapped.len()].copy_from_slice(wrapped);
    let crc = slot_checksum(&bytes);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn slot_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..84])
}

/// Reads one slot; none where a write of it never arrived (then nothing was ever sealed with it).
fn decode_slot(bytes: &[u8], at: u64) -> Option<(SubjectKeyId, Slot)> {
    let mut rest = bytes.get(..SLOT)?;
    let sound = slot_checksum(rest);
    let state = u32::from_le_bytes(take(&mut rest)?);
    let crc = u32::from_le_bytes(take(&mut rest)?);
    let id = SubjectKeyId(take(&mut rest)?);
    let secret = (take(&mut rest)?, take(&mut rest)?);
    let wrapped = (state == LIVE).then_some(secret);
    (crc == sound && matches!(state, LIVE | ERASED)).then_some((id, Slot { at, wrapped }))
}

fn read_slots(bytes: &[u8]) -> Slots {
    let mut slots = Slots { end: SLOTS_AT, ..Slots::default() };
    let start = usize::try_from(SLOTS_AT).unwrap_or(usize::MAX);
    for chunk in bytes.get(start..).unwrap_or_default().chunks(SLOT) {
        if let Some((id, slot)) = decode_slot(chunk, slots.end) {
            slots.by_id.insert(id, slot);
        }
        slots.end += SLOT as u64;
    }
    slots
}

impl Keyring {
    /// Opens the key file, or makes it with fresh keys and a fresh log id.
    ///
    /// # Errors
    /// `Foreign` where it is damaged; `Newer`; `Io`.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Self, OpenError> {
        let bytes = match disk::read_if_there(disk, path).map_err(OpenError::io("read the keys", path))? {
            Some(bytes) => bytes,
            None => Self::create(disk, path).map_err(OpenError::io("make the keys", path))?,
        };
        let preamble = Preamble::decode(&bytes, path)?;
        Ok(Self {
            file: disk.open(path, Mode::Write).map_err(OpenError::io("open the keys", path))?,
            root: preamble.root,
            signing: SigningKey::from_bytes(&preamble.seed),
            log: preamble.log,
            scopes: RwLock::default(),
            slots: RwLock::new(read_slots(&bytes)),
        })
    }

    fn create(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = Preamble::draw()?.encode();
        disk::replace(disk, path, &bytes)?;
        Ok(bytes)
    }

    /// The log that these keys belong to.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The key that signs checkpoints.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The keys of a tenant.
    pub fn scope(&self, scope: &Scope) -> Arc<ScopeKeys> {
        if let Some(keys) = self.scopes.read().unwrap_or_else(PoisonError::into_inner).get(scope) {
            return Arc::clone(keys);
        }
        let keys = Arc::new(ScopeKeys::new(&self.root, self.log, scope));
        self.scopes.write().unwrap_or_else(PoisonError::into_inner).insert(scope.clone(), Arc::clone(&keys));
        keys
    }

    /// The id of the key that seals what is written about a subject from now on.
    pub fn subject(&self, scope: &Scope, name: &str) -> SubjectKeyId {
        let keys = self.scope(scope);
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let erased = |id: &SubjectKeyId| slots.by_id.get(id).is_some_and(|slot| slot.wrapped.is_none());
        let mut ids = (0..).map(|generation| keys.subject(name, generation));
        ids.find(|id| !erased(id)).expect("invariant: nobody is erased four billion times")
    }

    /// Draws keys for those subjects that have none, and returns when they are on disk. The log's one writer calls it.
    ///
    /// # Errors
    /// What the disk says; then none of the new keys may be used.
    pub fn ensure<'a>(&self, wanted: impl Iterator<Item = (&'a Scope, SubjectKeyId)>) -> io::Result<()> {
        let mut fresh = HashMap::new();
        let mut bytes = Vec::new();
        let start = {
            let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
            for (scope, id) in wanted {
                if !slots.by_id.contains_key(&id) && !fresh.contains_key(&id) {
                    let at = slots.end + bytes.len() as u64;
                    let (nonce, wrapped) = self.wrap(scope, id)?;
                    bytes.extend_from_slice(&encode_slot(LIVE, id, nonce, &wrapped));
                    fresh.insert(id, Slot { at, wrapped: Some((nonce, wrapped)) });
                }
            }
            slots.end
        };
        if fresh.is_empty() {
            return Ok(());
        }
        self.file.write_at(&bytes, start)?;
        self.file.sync_data()?;
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.end = start + bytes.len() as u64;
        slots.by_id.extend(fresh);
        Ok(())
    }

    fn wrap(&self, scope: &Scope, id: SubjectKeyId) -> io::Result<([u8; 12], [u8; 48])> {
        let (nonce, key) = (random::<12>()?, random::<32>()?);
        let sealed = self.scope(scope).wrapping.encrypt(&Nonce::from(nonce), Payload { msg: &key, aad: &id.0 });
        let sealed = sealed.expect("invariant: 32 bytes are below every limit of the cipher");
        Ok((nonce, sealed.try_into().expect("invariant: 32 bytes and a tag of 16")))
    }

    /// The key of a subject.
    pub fn find(&self, scope: &Scope, id: SubjectKeyId) -> Found {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.by_id.get(&id) else { return Found::Missing };
        let Some((nonce, wrapped)) = slot.wrapped else { return Found::Erased };
        drop(slots);
        let opened = self.scope(scope).wrapping.decrypt(&Nonce::from(nonce), Payload { msg: &wrapped, aad: &id.0 });
        opened.ok().and_then(|key| key.try_into().ok()).map_or(Found::Missing, Found::Key)
    }

    /// Overwrites a subject's key for ever; says whether there was a live one.
    ///
    /// # Errors
    /// What the disk says; then the key may stand or not.
    pub fn erase(&self, id: SubjectKeyId) -> io::Result<bool> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.by_id.get_mut(&id).filter(|slot| slot.wrapped.is_some()) else { return Ok(false) };
        slot.wrapped = None;
        self.file.write_at(&encode_slot(ERASED, id, [0; 12], &[0; 48]), slot.at)?;
        self.file.sync_data()?;
        Ok(true)
    }
}

/// The log id and signing key in a key file, without opening it to write.
pub(crate) fn read_identity(disk: &dyn Disk, path: &Path) -> Result<(LogId, SigningKey), OpenError> {
    let bytes = disk::read_all(disk, path).map_err(OpenError::io("read the keys", path))?;
    let preamble = Preamble::decode(&bytes, path)?;
    Ok((preamble.log, SigningKey::from_bytes(&preamble.seed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    fn open(disk: &SimDisk) -> Keyring {
        Keyring::open(disk, Path::new("/keys")).expect("the disk is on")
    }

    #[test]
    fn keys_survive_and_erased_ones_do_not() {
        let (disk, scope) = (SimDisk::new(1), Scope::main());
        let keys = open(&disk);
        let (ana, bob) = (keys.subject(&scope, "customer:ana"), keys.subject(&scope, "customer:bob"));
        keys.ensure([(&scope, ana), (&scope, bob), (&scope, ana)].into_iter()).expect("there is room");
        let (of_ana, of_bob) = (keys.find(&scope, ana), keys.find(&scope, bob));
        assert_ne!(of_ana, of_bob);
        assert!(keys.erase(bob).expect("the disk is on") && !keys.erase(bob).expect("twice is harmless"));
        disk.crash();
        let keys = open(&disk);
        assert_eq!((keys.find(&scope, ana), keys.find(&scope, bob)), (of_ana, Found::Erased));
        assert_ne!(keys.subject(&scope, "customer:bob"), bob, "who comes back after an erasure gets a new key");
        assert_eq!(keys.find(&scope, SubjectKeyId([7; 16])), Found::Missing);
        assert_eq!(keys.find(&"other".parse().expect("a name"), ana), Found::Missing, "another tenant's key is no key");
    }

    #[test]
    fn tenants_and_logs_do_not_share_digests() {
        let (one, two) = (open(&SimDisk::new(1)), open(&SimDisk::new(1)));
        let other = "other".parse().expect("a name");
        let touches = [one.scope(&Scope::main()), one.scope(&other), two.scope(&Scope::main())].map(|s| s.touch("k"));
        assert!(touches[0] != touches[1] && touches[0] != touches[2]);
    }

    #[test]
    fn a_changed_key_file_is_refused() {
        for offset in 0..96 {
            let disk = SimDisk::new(1);
            drop(open(&disk));
            disk.flip(Path::new("/keys"), offset, 0x40);
            assert!(Keyring::open(&disk, Path::new("/keys")).is_err(), "byte {offset}");
        }
    }
}

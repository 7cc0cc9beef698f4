//! Pictures that a question refers to: every reference to a blob of an image in its inputs becomes a part of the prompt.
//!
//! Does not know models. The bytes never flow through a playbook, only the reference does.

use serde_json::Value;
use sinew_contract::{BlobRef, Blobs, Failure};

use crate::prompt::Part;

/// More pictures than this are not sent with one question.
const PICTURES_MAX: usize = 8;

/// Loads the pictures of a question, in the order in which they stand.
///
/// # Errors
/// As `Blobs::get`.
pub(crate) async fn load(inputs: &Value, blobs: &dyn Blobs) -> Result<Vec<Part>, Failure> {
    let mut found = Vec::new();
    collect(inputs, &mut found);
    let mut parts = Vec::new();
    for picture in found.into_iter().take(PICTURES_MAX) {
        let bytes = blobs.get(picture.digest).await?;
        parts.push(Part::Image { media_type: picture.media_type, bytes });
    }
    Ok(parts)
}

fn collect(value: &Value, found: &mut Vec<BlobRef>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) if map.contains_key("media_type") => {
            let picture: Option<BlobRef> = serde_json::from_value(value.clone()).ok();
            found.extend(picture.filter(|p| p.media_type.starts_with("image/")));
        }
        Value::Object(map) => map.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sinew_contract::Digest;

    use super::*;

    #[test]
    fn only_references_to_images_are_pictures() {
        let of = |kind: &str| json!({"digest": Digest([1; 32]), "len": 3, "media_type": kind});
        let inputs = json!({"a": [of("image/png"), {"b": of("text/plain")}], "media": {"media_type": "image/png"}});
        let mut found = Vec::new();
        collect(&inputs, &mut found);
        assert_eq!(found.len(), 1);
    }
}

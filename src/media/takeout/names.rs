//! Which sidecar belongs to which photo. Exports cut long names, put `(1)` behind equal ones, here before the
//! extension and there after it, and give an edited copy no sidecar of its own.

/// The directory in which Ente's own export keeps sidecars.
pub const METADATA: &str = "metadata";

/// What a sidecar of these days has between its photo's name and `.json`.
const SUPPLEMENTAL: &str = ".supplemental-metadata";
/// An export's names end here: 51 units of UTF-16, `.json` among them.
const CUT: usize = 46;
/// The stem of a photo that was cut has so many.
const CUT_STEM: usize = 47;
/// What an edited copy's stem ends with, in the languages of those who export; accents composed and apart.
const EDITED: [&str; 19] = [
    "-edited",
    "-effects",
    "-smile",
    "-mix",
    "-bearbeitet",
    "-modifié",
    "-modifie\u{301}",
    "-modificato",
    "-ha editado",
    "-editado",
    "-editada",
    "-editat",
    "-bewerkt",
    "-edytowane",
    "-redigeret",
    "-redigerad",
    "-redigert",
    "-編集済み",
    "-измененный",
];

/// A sidecar's name without `.json`: the key by which its photo looks for it.
pub fn sidecar_key(name: &str) -> Option<&str> {
    let split = name.len().checked_sub(".json".len()).filter(|split| name.is_char_boundary(*split))?;
    let (key, extension) = name.split_at(split);
    (extension.eq_ignore_ascii_case(".json") && !key.is_empty()).then_some(key)
}

/// The keys under which a photo's sidecar may stand, likeliest first.
pub fn sidecar_keys(name: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let (stem, extension) = split(name);
    // The photo as it is called comes before what it may be a copy of.
    push(&mut keys, name.to_owned());
    push(&mut keys, cut(&format!("{name}{SUPPLEMENTAL}")).to_owned());
    let (bare, number) = split_number(stem);
    for bare in originals(bare) {
        let whole = format!("{bare}{extension}");
        push(&mut keys, format!("{whole}{number}"));
        push(&mut keys, format!("{}{number}", cut(&whole)));
        push(&mut keys, format!("{}{number}", cut(&format!("{whole}{SUPPLEMENTAL}"))));
        if !number.is_empty() {
            push(&mut keys, cut(&format!("{bare}{number}{extension}{SUPPLEMENTAL}")).to_owned());
        }
    }
    keys
}

/// The photos that may look for a sidecar under `key`, whose text calls its photo `title`. Whether one does is for
/// [`sidecar_keys`] to say.
pub fn media_names(key: &str, title: Option<&str>) -> Vec<String> {
    let (bare, number) = split_number(key);
    let mut names = Vec::new();
    for whole in
        [Some(bare), without_supplemental(bare), Some(key), without_supplemental(key), title].into_iter().flatten()
    {
        let (stem, extension) = split(whole);
        push(&mut names, whole.to_owned());
        for number in [number, ""] {
            let stem = cut_to(stem, CUT_STEM);
            push(&mut names, format!("{stem}{number}{extension}"));
            for edited in EDITED {
                push(&mut names, format!("{}{number}{extension}", cut_to(&format!("{stem}{edited}"), CUT_STEM)));
                push(&mut names, format!("{stem}{edited}{number}{extension}"));
            }
        }
    }
    names
}

fn push(list: &mut Vec<String>, name: String) {
    if !list.contains(&name) {
        list.push(name);
    }
}

/// The stem as it is, and without the mark of an edited copy, whole or cut off with the name.
fn originals(stem: &str) -> Vec<&str> {
    let mut found = vec![stem];
    found.extend(EDITED.iter().filter_map(|edited| stem.strip_suffix(edited)).filter(|original| !original.is_empty()));
    if found.len() == 1 && stem.encode_utf16().count() >= CUT_STEM {
        found.extend(EDITED.iter().filter_map(|edited| without_start(stem, edited)));
    }
    found
}

/// `stem` without a start of `mark` of two characters or more, the longest that fits.
fn without_start<'a>(stem: &'a str, mark: &str) -> Option<&'a str> {
    let starts = mark.char_indices().skip(2).map(|(end, _)| &mark[..end]);
    starts.collect::<Vec<_>>().into_iter().rev().find_map(|start| stem.strip_suffix(start))
}

/// `key` without `.supplemental-metadata`, or what a cut left of it.
fn without_supplemental(key: &str) -> Option<&str> {
    (2..=SUPPLEMENTAL.len()).rev().find_map(|end| key.strip_suffix(&SUPPLEMENTAL[..end]))
}

/// Stem and extension with its dot.
fn split(name: &str) -> (&str, &str) {
    name.rfind('.').filter(|dot| *dot > 0).map_or((name, ""), |dot| name.split_at(dot))
}

/// A text and the `(n)` at its end, which may be empty.
fn split_number(text: &str) -> (&str, &str) {
    let number = text.strip_suffix(')').and_then(|rest| {
        let open = rest.rfind('(').filter(|open| *open > 0)?;
        let digits = &rest[open + 1..];
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(open)
    });
    number.map_or((text, ""), |open| text.split_at(open))
}

fn cut(text: &str) -> &str {
    cut_to(text, CUT)
}

/// The first `units` of UTF-16, no character halved.
fn cut_to(text: &str, units: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.len_utf16();
        if used > units {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Photo, and its sidecar as exports have been seen to call it.
    const PAIRS: [(&str, &str); 22] = [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(12).jpg", "IMG_1.jpg.supplemental-metadata(12).json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-edited(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1-bearbeitet.jpg", "IMG_1.jpg.json"),
        ("IMG_1-modifié.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1-modifie\u{301}.jpg", "IMG_1.jpg.json"),
        ("IMG_1-編集済み.jpg", "IMG_1.jpg.json"),
        ("IMG_1-ha editado.jpg", "IMG_1.jpg.json"),
        ("20230101_123456789_iOS.heic", "20230101_123456789_iOS.heic.supplemental-metad.json"),
        ("Screenshot_20190910-000130_Very_long_app_name_x.jpg", "Screenshot_20190910-000130_Very_long_app_name_.json"),
        ("A name of exactly forty-two characters in.png", "A name of exactly forty-two characters in.png.json"),
        ("A name of forty-four characters, more or less.jpg", "A name of forty-four characters, more or less..json"),
        (
            "Screenshot_20190910-000130_Very_long_app_name_x(1).jpg",
            "Screenshot_20190910-000130_Very_long_app_name_(1).json",
        ),
        ("PXL_20230101_123456789.MP.jpg", "PXL_20230101_123456789.MP.jpg.supplemental-met.json"),
        ("PXL_20230101_123456789.MP(2).jpg", "PXL_20230101_123456789.MP.jpg.supplemental-met(2).json"),
        ("party(3).jpg", "party(3).jpg.supplemental-metadata.json"),
        ("noextension", "noextension.json"),
        ("Ein Name von genau zweiundvierzig Zeichen!-edit.jpg", "Ein Name von genau zweiundvierzig Zeichen!.jpg.json"),
        ("日本語の名前.jpg", "日本語の名前.jpg.supplemental-metadata.JSON"),
    ];

    #[test]
    fn every_published_mangling_of_a_name_leads_to_its_sidecar() {
        for (photo, sidecar) in PAIRS {
            let key = sidecar_key(sidecar).unwrap();
            assert!(sidecar_keys(photo).iter().any(|wanted| wanted == key), "{photo}: {:?}", sidecar_keys(photo));
        }
    }

    #[test]
    fn every_sidecar_leads_back_to_its_photo() {
        for (photo, sidecar) in PAIRS {
            let (stem, extension) = split(photo);
            let (bare, _) = split_number(stem);
            let title = format!("{}{extension}", originals(bare).last().unwrap());
            let names = media_names(sidecar_key(sidecar).unwrap(), Some(&title));
            assert!(names.iter().any(|name| name == photo), "{sidecar}: {names:?}");
        }
    }

    #[test]
    fn a_photo_called_like_a_copy_takes_its_own_sidecar_first() {
        assert_eq!(sidecar_keys("party(3).jpg")[0], "party(3).jpg");
        assert_eq!(sidecar_keys("a-edited.jpg")[0], "a-edited.jpg");
        let keys = sidecar_keys("a(1).jpg");
        let at = |key: &str| keys.iter().position(|known| known == key);
        assert!(at("a.jpg(1)") < at("a(1).jpg.supplemental-metadata(1)").or(Some(usize::MAX)));
        assert!(!keys.iter().any(|key| key == "a.jpg"), "the sidecar of another photo: {keys:?}");
    }

    #[test]
    fn only_json_is_a_sidecar() {
        assert_eq!(sidecar_key("a.jpg.JSON"), Some("a.jpg"));
        for other in ["", "json", ".json", "a.jpg", "é.jso", "日本"] {
            assert_eq!(sidecar_key(other), None, "{other}");
        }
    }

    #[test]
    fn any_name_is_survived() {
        for name in
            ["", ".", "(", ")", "(1)", "a(", "a)", "a()", "a(1", "(1).jpg", "-edited.jpg", "🦀".repeat(60).as_str()]
        {
            let keys = sidecar_keys(name);
            assert!(keys.iter().all(|key| media_names(key, Some(name)).len() < 400), "{name}");
        }
    }
}

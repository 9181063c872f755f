//! The floors of the house (docs/ARCHITECTURE.md): imports go down only, and each foreign crate has one owner.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground up, each with those below it that it may import.
const FLOORS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("crypto", &["base"]),
    ("media", &["base"]),
    ("wire", &["base"]),
    ("tree", &["base"]),
    ("store", &["base", "crypto", "tree"]),
    ("vault", &["base", "crypto"]),
    ("remote", &["base", "wire"]),
    ("spool", &["base", "crypto", "vault"]),
    ("cache", &["base", "crypto", "vault"]),
    ("account", &["base", "crypto", "wire", "remote"]),
    ("embedded", &["base", "crypto", "wire"]),
    ("namespace", &["base", "crypto", "tree", "store"]),
    ("fetch", &["base", "crypto", "media", "store", "remote", "cache"]),
    (
        "upload",
        &[
            "base",
            "crypto",
            "media",
            "wire",
            "tree",
            "store",
            "vault",
            "remote",
            "spool",
            "cache",
            "account",
            "namespace",
            "fetch",
        ],
    ),
    ("sync", &["base", "crypto", "media", "wire", "tree", "store", "remote", "account", "namespace", "upload"]),
    ("import", &["base", "crypto", "media", "wire", "tree", "store", "vault", "spool", "namespace", "upload"]),
    ("vfs", &["base", "crypto", "wire", "tree", "store", "vault", "spool", "namespace", "fetch"]),
    ("fuse", &["base", "namespace", "vfs"]),
    ("control", &["base", "tree", "store", "cache", "account", "namespace", "import"]),
    (
        "app",
        &[
            "base",
            "crypto",
            "media",
            "wire",
            "tree",
            "store",
            "vault",
            "remote",
            "spool",
            "cache",
            "account",
            "embedded",
            "namespace",
            "fetch",
            "upload",
            "sync",
            "import",
            "vfs",
            "fuse",
            "control",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "crypto",
            "tree",
            "store",
            "remote",
            "account",
            "namespace",
            "upload",
            "sync",
            "import",
            "fuse",
            "control",
            "app",
        ],
    ),
];

/// Foreign crates that shape what touches them, and the one module that may.
const OWNERS: &[(&str, &[&str])] = &[
    ("fuser", &["fuse"]),
    ("reqwest", &["remote"]),
    ("rustls", &["remote"]),
    ("backon", &["remote"]),
    ("axum", &["embedded"]),
    ("totp_rs", &["embedded"]),
    ("quick_xml", &["embedded", "media", "remote"]),
    ("rusqlite", &["store", "embedded"]),
    ("chacha20", &["crypto"]),
    ("poly1305", &["crypto"]),
    ("chacha20poly1305", &["crypto"]),
    ("ring", &["crypto"]),
    ("argon2", &["crypto"]),
    ("crypto_box", &["crypto"]),
    ("crypto_secretbox", &["crypto"]),
    ("srp", &["crypto"]),
    ("bip39", &["crypto"]),
    ("blake2b_simd", &["crypto"]),
    ("blake3", &["crypto"]),
    ("md5", &["crypto"]),
    ("sha2", &["crypto"]),
    ("getrandom", &["crypto"]),
    ("base64", &["base"]),
    ("image", &["media"]),
    ("jpeg_decoder", &["media"]),
    ("jpeg_encoder", &["media"]),
    ("heic_rs", &["media"]),
    ("moxcms", &["media"]),
    ("re_rav1d", &["media"]),
    ("fast_image_resize", &["media"]),
    ("nom_exif", &["media"]),
    ("infer", &["media"]),
    ("tiff", &["media"]),
    ("flate2", &["media"]),
    ("crc32fast", &["media"]),
    ("keyring", &["account"]),
    ("lru", &["fetch"]),
    ("globset", &["tree"]),
    ("zip", &["import"]),
    ("chrono", &["base", "media", "remote"]),
    ("sd_notify", &["app"]),
    ("zbus", &["app"]),
    ("tracing_subscriber", &["cli"]),
    ("etcetera", &["app"]),
    ("toml", &["app"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("rpassword", &["cli"]),
];

#[test]
fn imports_go_down_only_and_every_crate_has_one_owner() {
    let mut faults = table_faults();
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let module = module_of(&file);
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            faults
                .extend(line_faults(&module, code).map(|fault| format!("{}:{}: {fault}", file.display(), number + 1)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A module may import only what stands above it in the table, that is, on a lower floor.
fn table_faults() -> Vec<String> {
    let floor: BTreeMap<&str, usize> = FLOORS.iter().enumerate().map(|(floor, (module, _))| (*module, floor)).collect();
    let mut faults = Vec::new();
    for (module, imports) in FLOORS {
        for import in *imports {
            if floor.get(import).is_none_or(|below| *below >= floor[module]) {
                faults.push(format!("the table lets {module} import {import}, which is not below it"));
            }
        }
    }
    faults
}

fn line_faults<'a>(module: &'a str, code: &'a str) -> impl Iterator<Item = String> + 'a {
    let imports = FLOORS.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, imports)| imports);
    let upward = crate_paths(code)
        .filter(move |import| module != "lib" && *import != module && !imports.contains(import))
        .map(move |import| format!("{module} imports {import}"));
    let foreign = OWNERS.iter().filter(move |(name, owners)| !owners.contains(&module) && uses_crate(code, name)).map(
        move |(name, owners)| format!("{module} uses the crate {name}, which belongs to {}", owners.join(" and ")),
    );
    upward.chain(foreign)
}

/// The first segments of `crate::…` paths, of braced lists too.
fn crate_paths(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("crate::").flat_map(|(at, prefix)| {
        let rest = &code[at + prefix.len()..];
        let list = rest.strip_prefix('{').map_or(rest, |list| list);
        let names: Vec<&str> = if list.len() == rest.len() {
            vec![word(rest)]
        } else {
            list.split(',').map(|part| word(part.trim())).collect()
        };
        names.into_iter().filter(|name| FLOORS.iter().any(|(module, _)| module == name))
    })
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// `name::` not preceded by a path or a letter: `super::srp::` and `self::image::` are our own.
fn uses_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let free = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        free && code[at + name.len()..].starts_with("::") && !is_own_module(code, name)
    })
}

/// `pub use srp::{…}` in `crypto/mod.rs` names the module of that name.
fn is_own_module(code: &str, name: &str) -> bool {
    code.trim_start().starts_with(&format!("pub use {name}::"))
}

fn module_of(file: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let below = file.strip_prefix(src).expect("a source lies below src");
    let first = below.components().next().expect("a path has a component").as_os_str().to_string_lossy().into_owned();
    let module = first.trim_end_matches(".rs").to_owned();
    if module == "main" { "lib".into() } else { module }
}

fn sources(root: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        if path.is_dir() {
            found.extend(sources(path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

//! The files of the bundle. They are named by their content, so that they may be cached for ever,
//! and compressed ahead of time, so that the server only picks a file. They name each other by
//! relative paths, so that the bundle works from any folder of any host.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use crate::workspace::Profile;

/// The folder of the files whose names change with their content.
pub const FOLDER: &str = "assets";
/// Smaller files are not compressed: they fit into one packet.
const WORTH_COMPRESSING: usize = 512;

/// One file as it was written.
pub struct Asset {
    /// Its name below the page's folder.
    pub name: String,
    /// Its size.
    pub plain: usize,
    /// Its size with gzip, where it was compressed.
    pub gzip: Option<usize>,
    /// Its size with brotli, where it was compressed.
    pub brotli: Option<usize>,
}

/// The files written so far.
pub struct Assets {
    folder: PathBuf,
    compress: bool,
    written: Vec<Asset>,
}

impl Assets {
    /// Starts with an empty folder. Development builds are not compressed, which would take longer
    /// than it saves.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(folder: &Path, profile: Profile) -> Result<Self> {
        fs::create_dir_all(folder.join(FOLDER)).context("cannot make the folder for assets")?;
        Ok(Self {
            folder: folder.to_owned(),
            compress: profile == Profile::Release,
            written: Vec::new(),
        })
    }

    /// What was written.
    pub fn written(&self) -> &[Asset] {
        &self.written
    }

    /// Adds a file and gives the name that it has among the others: `app-0123456789abcdef.js`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<String> {
        let name = hashed_name(name, content);
        self.write(&from_page(&name), content)?;
        Ok(name)
    }

    /// Adds two scripts that import each other by these names. Neither can be named by its final
    /// content, which contains the other's name, so both are named by the content of both before.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add_pair(&mut self, pair: [(&str, &str); 2]) -> Result<[String; 2]> {
        let both = pair.map(|(_, content)| content).concat();
        let names = pair.map(|(name, _)| hashed_name(name, both.as_bytes()));
        for ((_, content), own) in pair.iter().zip(&names) {
            let mut content = (*content).to_owned();
            for ((before, _), name) in pair.iter().zip(&names) {
                // Only where it is imported: modules name their imports in the same way.
                content = content.replace(
                    &format!("from \"{}\"", beside(before)),
                    &format!("from \"{}\"", beside(name)),
                );
            }
            self.write(&from_page(own), content.as_bytes())?;
        }
        Ok(names)
    }

    /// Adds a text as [`Self::add`] does.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_text(&mut self, name: &str, content: &str) -> Result<String> {
        self.add(name, content.as_bytes())
    }

    /// Adds a file under a name that stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_page(&mut self, name: &str, content: &str) -> Result<()> {
        self.write(name, content.as_bytes())
    }

    /// Adds a whole folder under the names that it has, if it is there.
    ///
    /// # Errors
    /// Something cannot be read or written.
    pub fn copy_all(&mut self, from: &Path) -> Result<()> {
        for file in files_below(from)? {
            let name = file
                .strip_prefix(from)
                .expect("the files were found below it")
                .to_string_lossy()
                .into_owned();
            let content =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            self.write(&name, &content)?;
        }
        Ok(())
    }

    fn write(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let parent = path.parent().expect("every file is in the folder");
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let put = |suffix: &str, content: &[u8]| {
            let path = self.folder.join(format!("{name}{suffix}"));
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
        };
        put("", content)?;
        let (mut gzip, mut brotli) = (None, None);
        if self.compress && content.len() >= WORTH_COMPRESSING {
            let smaller = compress_gzip(content)?;
            put(".gz", &smaller)?;
            gzip = Some(smaller.len());
            let smaller = compress_brotli(content)?;
            put(".br", &smaller)?;
            brotli = Some(smaller.len());
        }
        self.written.push(Asset {
            name: name.to_owned(),
            plain: content.len(),
            gzip,
            brotli,
        });
        Ok(())
    }
}

/// Where the page finds one of the files.
pub fn from_page(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// Where a script among the files finds another one.
pub fn beside(name: &str) -> String {
    format!("./{name}")
}

/// `app-0123456789abcdef.js` for `app.js`.
fn hashed_name(name: &str, content: &[u8]) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
    format!("{stem}-{}.{extension}", digest(content))
}

/// The first 64 bits of SHA-256, in hexadecimal digits.
fn digest(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn compress_gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

fn compress_brotli(content: &[u8]) -> Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut smaller = Vec::new();
    brotli::BrotliCompress(&mut &*content, &mut smaller, &parameters)?;
    Ok(smaller)
}

/// Every file below a folder, by name; none if it is not there.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(files);
    };
    for entry in entries {
        let path = entry.context("cannot list a folder")?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_changes_with_the_content_and_only_with_it() {
        assert_eq!(digest(b"one"), digest(b"one"));
        assert_ne!(digest(b"one"), digest(b"two"));
        assert_eq!(digest(b""), "e3b0c44298fc1c14");
    }

    #[test]
    fn two_scripts_that_import_each_other_are_named_by_the_content_of_both() {
        let folder = std::env::temp_dir().join(format!("xtask-pair-{}", std::process::id()));
        let mut assets = Assets::new(&folder, Profile::Dev).unwrap();
        let pair = [
            ("a.js", r#"import * as b from "./b.js"; ({"./b.js": b})"#),
            ("b.js", r#"import {a} from "./a.js""#),
        ];
        let [a, b] = assets.add_pair(pair).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(from_page(name))).unwrap();
        assert_eq!(
            read(&a),
            format!(r#"import * as b from "./{b}"; ({{"./b.js": b}})"#)
        );
        assert_eq!(read(&b), format!(r#"import {{a}} from "./{a}""#));
        let changed = [pair[0], ("b.js", "")];
        let [other, _] = assets.add_pair(changed).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_ne!(other, a);
    }

    #[test]
    fn both_compressions_give_the_content_back() {
        let content = "the same words again and again ".repeat(200);
        let mut plain = Vec::new();
        brotli::BrotliDecompress(
            &mut &*compress_brotli(content.as_bytes()).unwrap(),
            &mut plain,
        )
        .unwrap();
        assert_eq!(plain, content.as_bytes());
        let mut plain = String::new();
        let small = compress_gzip(content.as_bytes()).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*small), &mut plain)
            .unwrap();
        assert_eq!(plain, content);
    }
}

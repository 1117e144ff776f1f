//! Takes the files of Swagger UI that are served out of the archive in its crate, as gzip, so that no more of it than
//! that is in the binary.

use std::error::Error;
use std::fs;
use std::path::Path;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ARCHIVE;

const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

/// A file in the archive: compressed with deflate, as in gzip.
struct Entry<'a> {
    data: &'a [u8],
    sum: [u8; 4],
    size: [u8; 4],
}

#[expect(clippy::disallowed_methods, reason = "Cargo says so where the output belongs")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let folder = std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    for name in FILES {
        let entry = find(&format!("/dist/{name}")).ok_or_else(|| format!("the archive has no {name} to take"))?;
        fs::write(Path::new(&folder).join(format!("{name}.gz")), entry.gzip())?;
    }
    Ok(())
}

/// The file whose path ends so (ZIP specification 6.3, sections 4.3.12 and 4.3.16).
fn find(path: &str) -> Option<Entry<'static>> {
    const DEFLATE: usize = 8;
    let end = ARCHIVE.windows(4).rposition(|at| at == b"PK\x05\x06")?;
    let (count, mut at) = (number::<2>(end + 10)?, number::<4>(end + 16)?);
    for _ in 0..count {
        let [name, extra, comment] = [28, 30, 32].map(|field| number::<2>(at + field));
        let (name, next) = (name?, 46 + name? + extra? + comment?);
        if ARCHIVE.get(at + 46..at + 46 + name)?.ends_with(path.as_bytes()) && number::<2>(at + 10)? == DEFLATE {
            let (size, local) = (number::<4>(at + 20)?, number::<4>(at + 42)?);
            let start = local + 30 + number::<2>(local + 26)? + number::<2>(local + 28)?;
            return Some(Entry {
                data: ARCHIVE.get(start..start + size)?,
                sum: field(at + 16)?,
                size: field(at + 24)?,
            });
        }
        at += next;
    }
    None
}

fn number<const BYTES: usize>(at: usize) -> Option<usize> {
    Some(field::<BYTES>(at)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

fn field<const BYTES: usize>(at: usize) -> Option<[u8; BYTES]> {
    ARCHIVE.get(at..at + BYTES)?.try_into().ok()
}

impl Entry<'_> {
    /// The same as a file of its own (RFC 1952 section 2.3).
    fn gzip(&self) -> Vec<u8> {
        let head: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        [head, self.data, &self.sum, &self.size].concat()
    }
}

//! Whether a server's program is there and can be started.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::advice::installing;
use super::note::Note;
use janua::config::{Environment, ServerCommand};

/// Where a program is that can be started, or the note that says why it cannot.
pub(super) fn find(name: &str, command: &ServerCommand, environment: &Environment) -> Result<PathBuf, Box<Note>> {
    if let Some(folder) = &command.cwd
        && !folder.is_dir()
    {
        let what = format!("its working folder {} is not there", folder.display());
        return Err(Box::new(Note::fail(name, what, "make it, or correct `cwd`")));
    }
    let program = &command.program;
    let found = if program.contains('/') {
        named(name, &command.cwd.as_deref().unwrap_or(Path::new("")).join(program).components().collect::<PathBuf>())?
    } else {
        let path = environment.get("PATH").unwrap_or_default();
        let places = path.split(':').map(|folder| Path::new(folder).join(program));
        let Some(found) = places.into_iter().find(|place| is_executable(place)) else {
            let what = format!("the command {program} is not found in PATH");
            return Err(Box::new(Note::fail(name, what, installing(program))));
        };
        found
    };
    match interpreter(&found) {
        Some(interpreter) if !is_executable(Path::new(&interpreter)) => {
            let what = format!("{} is a script for {interpreter}, which is not there", found.display());
            Err(Box::new(Note::fail(name, what, installing(&interpreter))))
        }
        _ => Ok(found),
    }
}

fn named(name: &str, place: &Path) -> Result<PathBuf, Box<Note>> {
    let shown = place.display();
    let note = if !place.exists() {
        Note::fail(name, format!("the program {shown} is not there"), installing(&shown.to_string()))
    } else if place.is_dir() {
        Note::fail(name, format!("{shown} is a folder, no program"), "name the program in it as `command`")
    } else if !is_executable(place) {
        let next = format!("make it so (`chmod +x {shown}`), or start it through its interpreter");
        Note::fail(name, format!("{shown} is not executable"), next)
    } else {
        return Ok(place.to_owned());
    };
    Err(Box::new(note))
}

fn is_executable(place: &Path) -> bool {
    fs::metadata(place).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// What the first line of a script names, if it is one.
fn interpreter(script: &Path) -> Option<String> {
    let mut head = [0; 256];
    let count = fs::File::open(script).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = head[..count].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_whitespace().next().map(str::to_owned)
}

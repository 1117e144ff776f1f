//! Files: whole or not at all, nobody's edit lost, links followed, modes kept.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use janua::config::edit::store::{StoreError, edit, roll_back};
use janua::config::edit::{Format, Value, apply, read};
use tempfile::TempDir;

fn add(path: &Path, name: &str) -> Result<(), StoreError> {
    let change = |text: &str| {
        let new = apply(text, Format::of(path), &["servers", name, "command"], Some(&Value::text("x")));
        new.map_err(|why| StoreError::Edit { path: path.to_owned(), why })
    };
    edit(path, change).map(drop)
}

fn names(dir: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.path())
        .expect("dir")
        .map(|e| e.expect("entry").file_name().into_string().expect("name"))
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

#[test]
fn a_new_file_is_its_owners_and_a_changed_one_keeps_its_mode() {
    let dir = TempDir::new().expect("dir");
    let path = dir.path().join("deep/er/janua.yaml");
    add(&path, "a").expect("added");
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
    add(&path, "b").expect("added");
    assert_eq!(mode(&path), 0o644);
    let backup = fs::read_dir(path.parent().expect("parent")).expect("dir").map(|e| e.expect("entry").path());
    let backups: Vec<_> = backup.filter(|other| *other != path).collect();
    assert_eq!(backups.len(), 1);
    assert_eq!(mode(&backups[0]), 0o600);
    assert_eq!(fs::read_to_string(&backups[0]).expect("backup"), "servers:\n  a:\n    command: x\n");
}

#[test]
fn many_writers_at_once_lose_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 5;
    for name in ["janua.yaml", "mcp.json", "config.toml"] {
        let dir = TempDir::new().expect("dir");
        let path = dir.path().join(name);
        let start = Barrier::new(WRITERS);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    for number in 0..EACH {
                        add(path, &format!("s{writer}-{number}")).expect("added");
                    }
                });
            }
        });
        let value = read(&fs::read_to_string(&path).expect("text"), Format::of(&path)).expect("readable");
        assert_eq!(value.get("servers").expect("servers").members().len(), WRITERS * EACH, "{name}");
    }
}

#[test]
fn somebody_elses_change_in_between_is_kept() {
    let dir = TempDir::new().expect("dir");
    let path = dir.path().join("janua.yaml");
    fs::write(&path, "servers: {}\n").expect("written");
    let mut asked = 0;
    let written = edit(&path, |text| {
        asked += 1;
        if asked == 1 {
            // An editor knows nothing of our locks.
            fs::write(&path, "servers: {}\nlisten: 1\n").expect("written");
        }
        apply(text, Format::Yaml, &["servers", "a", "command"], Some(&Value::text("x")))
            .map_err(|why| StoreError::Edit { path: path.clone(), why })
    });
    let written = written.expect("written");
    assert_eq!(asked, 2);
    assert_eq!(written.after, "servers:\n  a:\n    command: x\nlisten: 1\n");
    assert_eq!(names(&dir).len(), 2, "one backup, of what was there at last");
    let always = edit(&path, |text| {
        fs::write(&path, format!("{text}#")).expect("written");
        Ok::<_, StoreError>(format!("{text}x: 1\n"))
    });
    assert!(matches!(always, Err(StoreError::Busy(_))));
    assert_eq!(names(&dir).len(), 2, "no backup of what was not changed");
}

#[test]
fn a_link_is_followed_and_stays_one() {
    let dir = TempDir::new().expect("dir");
    fs::create_dir(dir.path().join("dotfiles")).expect("dir");
    let (real, link) = (dir.path().join("dotfiles/janua.yaml"), dir.path().join("janua.yaml"));
    fs::write(&real, "servers: {}\n").expect("written");
    symlink("dotfiles/janua.yaml", &link).expect("link");
    add(&link, "a").expect("added");
    assert!(fs::symlink_metadata(&link).expect("metadata").is_symlink());
    assert!(fs::read_to_string(&real).expect("text").contains("a:"));
    roll_back(&link).expect("rolled back");
    assert_eq!(fs::read_to_string(&real).expect("text"), "servers: {}\n");
    let nowhere = dir.path().join("nowhere.yaml");
    symlink("gone/janua.yaml", &nowhere).expect("link");
    assert!(add(&nowhere, "a").is_err(), "a link that leads nowhere is not replaced by a file");
}

#[test]
fn rolling_back_goes_one_further_each_time() {
    let dir = TempDir::new().expect("dir");
    let path = dir.path().join("janua.yaml");
    let mut states = vec!["# mine\nservers: {}\n".to_owned()];
    fs::write(&path, &states[0]).expect("written");
    for number in 0..12 {
        add(&path, &format!("s{number}")).expect("added");
        states.push(fs::read_to_string(&path).expect("text"));
    }
    for state in states.iter().rev().skip(1) {
        let (written, _) = roll_back(&path).expect("rolled back");
        assert_eq!(fs::read_to_string(&path).expect("text"), *state);
        let kept = written.backup.expect("what was replaced is kept");
        assert_eq!(Some(fs::read_to_string(kept).expect("kept")), written.before);
    }
    assert!(matches!(roll_back(&path), Err(StoreError::NoBackup(_))));
}

#[test]
fn no_change_writes_nothing() {
    let dir = TempDir::new().expect("dir");
    let path = dir.path().join("janua.yaml");
    add(&path, "a").expect("added");
    add(&path, "a").expect("nothing to do");
    assert_eq!(names(&dir), ["janua.yaml"]);
}

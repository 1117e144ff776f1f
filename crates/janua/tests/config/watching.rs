//! Changes to files are told, however an editor makes them.

use std::fs;

use crate::scene::Scene;
use janua::config::watch;

const GOOD: &str = "servers: { a: { command: x, args: ['${file:word}'] } }\n";

#[tokio::test]
async fn changes_of_every_kind_are_told() {
    let scene = Scene::new();
    scene.write("word", "one");
    let (loaded, _) = scene.good("janua.yaml", GOOD);
    let mut watch = watch(&loaded.files).expect("a watch");

    scene.write("janua.yaml", "servers: { a: { comand: y } }\n");
    watch.changed().await;
    assert_eq!(scene.load("janua.yaml").expect_err("broken").len(), 1, "a broken file is told, too");

    // As editors do: a new file takes the place of the old one.
    let new = scene.write("janua.yaml.new", "servers: { a: { command: renamed } }\n");
    fs::rename(new, scene.folder.path().join("janua.yaml")).expect("renamed");
    watch.changed().await;
    assert_eq!(crate::scene::command(&scene.load("janua.yaml").expect("good"), "a").program, "renamed");

    fs::remove_file(scene.folder.path().join("janua.yaml")).expect("removed");
    watch.changed().await;
    scene.write("janua.yaml", "servers: { a: { command: back } }\n");
    watch.changed().await;

    scene.write("word", "another");
    watch.changed().await;
}

#[tokio::test]
async fn a_change_between_reading_and_watching_is_told() {
    let scene = Scene::new();
    scene.write("word", "one");
    let (loaded, _) = scene.good("janua.yaml", GOOD);
    scene.write("word", "another one");
    watch(&loaded.files).expect("a watch").changed().await;
}

#[tokio::test]
async fn a_hangup_is_told() {
    let scene = Scene::new();
    scene.write("word", "one");
    let (loaded, _) = scene.good("janua.yaml", GOOD);
    let mut watch = watch(&loaded.files).expect("a watch");
    let ours = rustix::process::getpid();
    rustix::process::kill_process(ours, rustix::process::Signal::HUP).expect("sent");
    watch.changed().await;
}

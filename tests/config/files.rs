//! Finding and reading fragments.

use std::{fs, path::Path};

use tidegate::config;

use super::SMALL;

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn named(name: &str) -> String {
    format!("[cluster]\nname = \"{name}\"\n")
}

fn cluster_name(path: &Path) -> String {
    config::load(path).unwrap_or_else(|r| panic!("{r}")).cluster.name
}

#[test]
fn drop_ins_come_after_their_file_in_lexical_order() {
    let home = tempfile::tempdir().expect("a directory");
    write(home.path(), "tidegate.toml", SMALL);
    assert_eq!(cluster_name(&home.path().join("tidegate.toml")), "lab");
    write(home.path(), "tidegate.d/20-b.toml", &named("twenty"));
    write(home.path(), "tidegate.d/10-a.toml", &named("ten"));
    write(home.path(), "tidegate.d/30-c.toml.disabled", &named("disabled"));
    write(home.path(), "tidegate.d/.40-d.toml", &named("hidden"));
    assert_eq!(cluster_name(&home.path().join("tidegate.toml")), "twenty");
}

#[test]
fn a_directory_stands_for_its_files_and_their_drop_ins() {
    let home = tempfile::tempdir().expect("a directory");
    write(home.path(), "a.toml", SMALL);
    write(home.path(), "a.d/site.toml", &named("site"));
    assert_eq!(cluster_name(home.path()), "site");
    write(home.path(), "b.toml", &named("later"));
    assert_eq!(cluster_name(home.path()), "later");
}

#[test]
fn what_cannot_be_read_is_reported_with_the_problems_of_the_rest() {
    let home = tempfile::tempdir().expect("a directory");
    write(home.path(), "a.toml", "colour = 1");
    fs::write(home.path().join("b.toml"), b"a = \"\xff\"").expect("a file");
    fs::write(home.path().join("c.toml"), "#".repeat(300 << 10)).expect("a file");
    std::os::unix::fs::symlink("/nowhere", home.path().join("d.toml")).expect("a link");
    std::os::unix::fs::symlink("/dev/zero", home.path().join("e.toml")).expect("a link");
    let report = config::load(home.path()).expect_err("four files are bad");
    let found: Vec<String> =
        report.problems().iter().map(|p| p.to_string().replace(&format!("{}/", home.path().display()), "")).collect();
    assert_eq!(
        found,
        [
            "b.toml: is not UTF-8: byte 5 is wrong",
            "c.toml: has 307200 bytes; at most 262144 are read",
            "d.toml: cannot be read: No such file or directory (os error 2)",
            "e.toml: is no regular file",
            "a.toml:1:1: colour: unknown key `colour`",
        ]
    );
}

#[test]
fn an_absent_file_and_an_empty_directory_are_no_configuration() {
    let home = tempfile::tempdir().expect("a directory");
    let report = config::load(home.path()).expect_err("nothing is there");
    assert!(report.to_string().contains("holds no `*.toml` file"), "{report}");
    let report = config::load(&home.path().join("tidegate.toml")).expect_err("nothing is there");
    assert!(report.to_string().contains("cannot be read: No such file"), "{report}");
    assert_eq!(report.problems().len(), 1);
    assert!(config::load_fragments(Vec::new()).is_err());
}

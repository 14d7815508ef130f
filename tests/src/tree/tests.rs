use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::Tree;

fn sample(root: &Path) {
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/a"), "a").unwrap();
    fs::hard_link(root.join("d/a"), root.join("d/b")).unwrap();
    symlink("a", root.join("d/s")).unwrap();
    fs::write(root.join("top"), "top").unwrap();
}

#[test]
fn every_kind_of_change_is_seen_and_undone() {
    let changes: &[fn(&Path)] = &[
        |root| fs::write(root.join("top"), "tip").unwrap(),
        |root| fs::write(root.join("d/b"), "x").unwrap(),
        |root| fs::set_permissions(root.join("top"), Permissions::from_mode(0o640)).unwrap(),
        |root| fs::set_permissions(root.join("d"), Permissions::from_mode(0o700)).unwrap(),
        |root| fs::write(root.join("d/new"), "").unwrap(),
        |root| fs::remove_dir_all(root.join("d")).unwrap(),
        |root| {
            fs::remove_file(root.join("d/b")).unwrap();
            fs::write(root.join("d/b"), "a").unwrap();
        },
        |root| {
            fs::remove_file(root.join("d/s")).unwrap();
            symlink("b", root.join("d/s")).unwrap();
        },
        |root| {
            fs::remove_file(root.join("top")).unwrap();
            fs::create_dir_all(root.join("top/sub")).unwrap();
        },
    ];
    for change in changes {
        let root = tempfile::tempdir().unwrap();
        sample(root.path());
        let before = Tree::of(root.path());
        change(root.path());
        assert_ne!(before.difference(&Tree::of(root.path())), "");
        before.restore(root.path());
        assert_eq!(before.difference(&Tree::of(root.path())), "");
    }
}

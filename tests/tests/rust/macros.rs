//! What procedural macros find out by themselves.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use zccache_core::Reason;
use zccache_tests::Trial;

use super::{BUILD_MACRO, command, run};
use crate::places;

const USE: &str =
    "$RUSTC --crate-type lib --edition 2021 a.rs --emit=dep-info,link --extern m=libm.so";

/// A macro that tells what an expression says, applied by [`USE`].
fn telling(trial: &Trial, expression: &str) {
    trial.file(
        "m.rs",
        format!(
            "#[proc_macro]\npub fn told(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n\
            let told = format!(\"{{:?}}\", {expression});\n\
            format!(\"{{told:?}}\").parse().unwrap() }}\n"
        ),
    );
    trial.file("a.rs", "pub const A: &str = m::told!();\n");
    run(trial, BUILD_MACRO).kept();
}

/// Gives a file the time at which that many seconds of this century had passed.
fn date(trial: &Trial, path: &str, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800 + seconds);
    trial.edit(|root| {
        let file = File::options().write(true).open(root.join(path)).expect("it is there");
        file.set_times(FileTimes::new().set_modified(time)).expect("it is ours");
    });
}

fn when_a_file_was_modified(trial: &Trial) {
    telling(trial, "std::fs::metadata(\"data.txt\").unwrap().modified().unwrap()");
    trial.file("data.txt", "content");
    date(trial, "data.txt", 1);
    run(trial, USE).kept();
    run(trial, USE).hit();
    date(trial, "data.txt", 2);
    run(trial, USE).kept();
    date(trial, "data.txt", 1);
    run(trial, USE).hit();
}

fn what_the_kernel_says(trial: &Trial) {
    telling(trial, "std::fs::read_to_string(\"/proc/sys/kernel/ostype\").unwrap()");
    run(trial, USE).abandoned(Reason::PrivatePath);
    trial.file("a.rs", "pub const A: &str = include_str!(\"/proc/self/comm\");\n");
    run(trial, "$RUSTC --crate-type lib a.rs").abandoned(Reason::PrivatePath);
}

/// Only the very same file tells again when it was made.
fn when_a_file_was_made(trial: &Trial) {
    telling(trial, "{ let _ = std::fs::metadata(\"data.txt\").unwrap().created(); 7 }");
    trial.file("data.txt", "content");
    date(trial, "data.txt", 1);
    run(trial, USE).kept();
    run(trial, USE).hit();
    trial.remove("data.txt");
    trial.file("data.txt", "content");
    date(trial, "data.txt", 1);
    run(trial, USE).kept();
}

/// Neither rustc nor a macro that only reads asks.
fn the_age_of_what_is_only_read_does_not_matter(trial: &Trial) {
    trial.file("read.txt", "7");
    telling(trial, "std::fs::read(\"read.txt\").unwrap()");
    trial.file("a.rs", "pub const A: [&str; 2] = [m::told!(), include_str!(\"some file.txt\")];\n");
    trial.file("some file.txt", "content");
    run(trial, USE).kept();
    date(trial, "some file.txt", 1);
    date(trial, "read.txt", 1);
    run(trial, USE).hit();
    trial.file("some file.txt", "other");
    run(trial, USE).kept();
}

/// `readdir(3)` tells of which type each name is.
fn what_a_directory_holds(trial: &Trial) {
    telling(
        trial,
        "{ let types = std::fs::read_dir(\"in\").unwrap().map(|e| e.unwrap().file_type().unwrap());\n\
        types.filter(|t| t.is_file()).count() }",
    );
    trial.file("in/a.txt", "content");
    trial.file("b.txt", "content");
    run(trial, USE).kept();
    run(trial, USE).hit();
    trial.remove("in/a.txt");
    trial.edit(|root| symlink("../b.txt", root.join("in/a.txt")).expect("a link"));
    run(trial, USE).kept();
    trial.remove("in/a.txt");
    trial.edit(|root| fs::create_dir(root.join("in/a.txt")).expect("a directory"));
    run(trial, USE).kept();
    trial.edit(|root| fs::remove_dir(root.join("in/a.txt")).expect("it is empty"));
    trial.file("in/a.txt", "content");
    run(trial, USE).hit();
}

/// rustc lists such directories itself, and takes less from them than a macro.
fn what_a_directory_holds_that_rustc_searches(trial: &Trial) {
    telling(trial, "std::fs::read_dir(\"in\").unwrap().count()");
    for kind in ["native", "dependency"] {
        let line = format!("{USE} -L {kind}=in");
        trial.file("in/a.txt", "");
        run(trial, &line).kept();
        run(trial, &line).hit();
        trial.file("in/b.txt", "");
        run(trial, &line).kept();
        trial.remove("in/b.txt");
        run(trial, &line).hit();
    }
    // Who does not list it himself has no more to do with it than before.
    telling(trial, "7");
    run(trial, &format!("{USE} -L native=in")).kept();
    trial.file("in/b.txt", "");
    run(trial, &format!("{USE} -L native=in")).hit();
}

fn the_mode_of_what_is_copied(trial: &Trial) {
    telling(trial, "std::fs::copy(\"one.txt\", \"two.txt\").unwrap()");
    trial.file("one.txt", "content");
    let state = trial.state();
    trial.miss_then_hit(command(trial, USE));
    trial.reset(&state);
    trial.edit(|root| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(root.join("one.txt"), mode).expect("it is ours");
    });
    run(trial, USE).kept();
}

fn where_links_lead(trial: &Trial) {
    for expression in [
        "std::fs::read_link(\"link\")",
        "std::fs::canonicalize(\"link\").map(|path| path.file_name().unwrap().to_owned())",
        "std::fs::canonicalize(\"link\").map(|path| std::fs::read(path).unwrap())",
    ] {
        telling(trial, expression);
        let lead = |target: &str| {
            trial.edit(|root| {
                fs::remove_file(root.join("link")).ok();
                symlink(target, root.join("link")).expect("a link");
            });
        };
        trial.file("one.txt", "1");
        trial.file("two.txt", "2");
        lead("one.txt");
        run(trial, USE).kept();
        run(trial, USE).hit();
        lead("two.txt");
        run(trial, USE).kept();
        lead("nowhere");
        run(trial, USE).not_hit();
        lead("one.txt");
        run(trial, USE).hit();
        trial.remove("link");
        trial.remove("libm.so");
    }
}

places!(
    when_a_file_was_modified,
    what_the_kernel_says,
    what_a_directory_holds_that_rustc_searches,
    the_mode_of_what_is_copied,
    when_a_file_was_made,
    the_age_of_what_is_only_read_does_not_matter,
    what_a_directory_holds,
    where_links_lead,
);

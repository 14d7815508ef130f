//! Two compiles that write the same file at the same time.

use std::fs;

use zccache_tests::{Command, Trial};

use crate::trials;

/// Neither result may be a mixture of both, also not when it is asked for later.
fn two_compiles_of_one_output(trial: &Trial) {
    let compiler = trial.compiler().c();
    for round in 0..8 {
        let texts = [format!("int aa{round};\n"), format!("int bbbbbbbbbbbbbbbbbbbbbb{round};\n")];
        for (name, text) in ["a.c", "b.c"].iter().zip(&texts) {
            trial.edit(|root| fs::write(root.join(name), text).expect("written"));
        }
        trial.age();
        let compile = |source: &str, form: &str, output: &str| {
            Command::from(format!("{compiler} {form} {source}.c -o {output}").as_str())
        };
        let form = ["-c", "-S"][round % 2];
        let both = ["a", "b"]
            .map(|source| trial.sandbox().start_launch(trial.tree(), compile(source, form, "o")));
        for running in both {
            let _ = running.wait();
        }
        trial.sandbox().settle();
        for source in ["a", "b"] {
            fs::remove_file(trial.tree().join("o")).ok();
            let again = trial.sandbox().launch(trial.tree(), compile(source, form, "o"));
            let _ = again.succeeded();
            let made = fs::read(trial.tree().join("o")).expect("made");
            let _ = trial.sandbox().bare(trial.tree(), compile(source, form, "p")).succeeded();
            let truth = fs::read(trial.tree().join("p")).expect("made");
            let why =
                trial.sandbox().zccache(&["why".as_ref(), trial.tree().join("o").as_os_str()]);
            let (lengths, why) = ((made.len(), truth.len()), why.out());
            assert!(made == truth, "{source}, round {round}, lengths {lengths:?}: {why}");
        }
    }
}

trials!(two_compiles_of_one_output);

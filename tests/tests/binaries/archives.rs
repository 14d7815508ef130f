//! Archives, and files that are rewritten in their place: what was in them before counts.

use zccache_tests::{Command, Step, Trial};

use crate::{scenarios, trials};

scenarios! {
    gcc:
    an_archive_is_what_its_past_makes_it r#"
        for n in 1 2 3; do echo "int f$n(void) { return $n; }" | $CC -x c -c - -o f$n.o; done
        kept: ar rcs l.a f1.o
        kept: ar rcs l.a f2.o
        rm l.a
        hit: ar rcs l.a f1.o
        hit: ar rcs l.a f2.o
        rm l.a
        kept: ar rcs l.a f2.o
        any: ar rcs l.a f1.o
        any: ar rcs l.a f3.o
        rm l.a
        hit: ar rcs l.a f1.o
        chmod 600 l.a
        miss: ar rcs l.a f2.o
        any: ar d l.a f1.o
        any: ar m l.a f2.o
        any: ar q l.a f3.o
        any: ranlib l.a
        rm l.a
        any: llvm-ar rcs l.a f1.o
        any: llvm-ar rcs l.a f2.o
        rm l.a
        hit: llvm-ar rcs l.a f1.o
        hit: llvm-ar rcs l.a f2.o
        any: llvm-ar rcs l.a f3.o
    "#
    names_and_order_of_members_count r#"
        mkdir x y; for d in x y; do echo "int $d;" | $CC -x c -c - -o $d/same.o; done; cp x/same.o other.o
        kept: ar rcs l.a x/same.o y/same.o
        rm l.a
        miss: ar rcs l.a y/same.o x/same.o
        rm l.a
        miss: ar rcsP l.a x/same.o y/same.o
        rm l.a
        miss: ar rcs l.a other.o y/same.o
        rm l.a
        hit: ar rcs l.a x/same.o y/same.o
        any: ar xo l.a
        rm -f same.o
        any: ar x l.a
        rm same.o
        hit: ar x l.a
        any: ar tv l.a
        hit: ar tv l.a
        any: STDIN='list' ar -M
    "#
    ages_and_owners_are_never_remembered r#"
        echo 'int a;' | $CC -x c -c - -o a.o; touch -d 2001-02-03 a.o; cp a.o b.o; ar rcSU past.a a.o; cp past.a more.a
        bypassed unsupported_option: ar rcSU l.a a.o
        abandoned stamped_output: ar rcs past.a b.o
        abandoned stamped_output: ranlib more.a
        abandoned side_effect: strip -p a.o
        abandoned: ar xo more.a
    "#
    a_file_rewritten_in_its_place r#"
        echo 'int a(void) { return 1; }' >a.c; $CC -g -fdebug-prefix-map=$PWD=. -c a.c -o a.o; cp a.o b.o; cp a.o c.o; ln c.o d.o; cp a.o e.o; chmod 600 e.o; cp a.o f.o; chmod 755 f.o
        kept: strip -g a.o
        cp b.o a.o
        hit: strip -g a.o
        any: strip -g a.o
        any: strip a.o
        cp b.o a.o; chmod 600 a.o
        miss: strip -g a.o
        abandoned: strip -g c.o
        kept: objcopy e.o out.o
        rm out.o
        hit: objcopy e.o out.o
        chmod 640 out.o
        miss: objcopy e.o out.o
        chmod 640 out.o
        hit: objcopy e.o out.o
        chmod 640 e.o; rm out.o
        miss: objcopy e.o out.o
        any: strip f.o -o out.o
        any: llvm-strip b.o
        any: objcopy --rename-section .text=.other e.o
        abandoned: strip nothing.o
        abandoned: strip a.c
    "#
    a_large_file_rewritten_in_its_place r#"
        head -c 300000 /dev/zero | tr '\0' x >t; echo 'int a = 1;' | $CC -g -fdebug-prefix-map=$PWD=. -x c -c - -o a.o; objcopy --add-section .more=t a.o; cp a.o b.o
        kept: strip -g a.o
        cp b.o a.o
        hit: strip -g a.o
        cp b.o a.o; printf y | dd of=a.o bs=1 seek=2000 conv=notrunc 2>/dev/null
        miss: strip -g a.o
    "#
}

/// Keeps the publisher busy, and then changes an archive and a program in their places as
/// soon as they are made.
fn tools_in_a_row(trial: &Trial) -> Step {
    let script = "
        \"$@\" objcopy big.o 1.o && \"$@\" objcopy big.o 2.o &&
        \"$@\" ar rcs l.a a.o && \"$@\" ranlib l.a &&
        \"$@\" $CC a.o -o p && \"$@\" strip p";
    let script = script.replace("$CC", trial.compiler().c());
    let launcher = trial.sandbox().programs().launcher();
    let shell = Command::new(["sh", "-c", script.as_str(), "sh"]);
    trial.run_pair(shell.clone().arg("env"), shell.arg(launcher))
}

fn a_file_changed_as_soon_as_it_is_made(trial: &Trial) {
    trial.file("big.c", "char big[48 << 20] = { 1 };\n");
    trial.file("a.c", "char small[1 << 20] = { 1 }; int main(void) { return small[1]; }\n");
    for name in ["big", "a"] {
        let line = format!("$CC -g -fdebug-prefix-map=$PWD=. -c {name}.c -o {name}.o");
        trial.run_line(&line).kept();
    }
    let cold = tools_in_a_row(trial).counted;
    assert_eq!((cold.hits, cold.misses, cold.abandoned), (0, 6, 0), "{cold:?}");
    for made in ["1.o", "2.o", "l.a", "p"] {
        trial.remove(made);
    }
    let warm = tools_in_a_row(trial).counted;
    assert_eq!((warm.hits, warm.misses), (6, 0), "{warm:?}");
}

trials!(a_file_changed_as_soon_as_it_is_made);

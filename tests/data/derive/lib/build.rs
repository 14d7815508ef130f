use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("gen.rs"), "pub const GENERATED: u32 = 7;\n").unwrap();
    println!("cargo:rustc-env=GIVEN=abc");
}

//! Linker options for a library that a host loads and unloads.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Fluent Bit unloads the library when it stops or reloads; a thread that has not quite ended must still find its code.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

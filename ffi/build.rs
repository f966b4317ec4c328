//! Gives the shared library its soname: a cdylib of cargo has none, and a program linked with it would look for the
//! file it was built from.

/// `MEDORDER_ABI` of `src/constants.rs`; a test compares the two.
const ABI: u32 = 0;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if ["linux", "android", "freebsd", "netbsd", "openbsd", "dragonfly"].contains(&target.as_str()) {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmedorder.so.{ABI}");
        // A plug-in of a host may be unloaded while threads of the library run.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

//! Writes Kotlin, Swift and Ruby sources from the built library, in the version that the library was built with.

fn main() {
    uniffi::uniffi_bindgen_main();
}

//! Installs the C face: libraries, headers, and what pkg-config and CMake read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::project::{Project, run};

/// The version of the libraries, that of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a program needs that links the archive, as `rustc --print native-static-libs` says.
const STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Where to, and which build.
pub(crate) struct Target {
    /// The folder that the installed files speak of.
    pub(crate) prefix: PathBuf,
    /// The folder that stands for `/` while a package is made; empty for none.
    pub(crate) stage: PathBuf,
    /// The build of `cargo build` instead of that of `cargo build --release`.
    pub(crate) debug: bool,
}

/// Reads `--prefix DIR [--debug]` and the variable DESTDIR.
pub(crate) fn read(arguments: &[&str]) -> Result<Target, String> {
    let stage = std::env::var_os("DESTDIR").map(PathBuf::from).unwrap_or_default();
    let (mut prefix, mut debug, mut rest) = (None, false, arguments.iter());
    while let Some(argument) = rest.next() {
        match (*argument, argument.strip_prefix("--prefix=")) {
            ("--debug", _) => debug = true,
            ("--prefix", _) => prefix = rest.next().copied(),
            (_, Some(folder)) => prefix = Some(folder),
            _ => return Err(format!("`{argument}` is no option of install; see cargo xtask help")),
        }
    }
    let prefix = prefix.filter(|folder| !folder.is_empty()).ok_or("install needs --prefix DIR")?;
    let prefix = std::path::absolute(prefix).map_err(|e| format!("{prefix} is no folder: {e}"))?;
    Ok(Target { prefix, stage, debug })
}

/// Builds the libraries and puts everything in its place.
pub(crate) fn install(project: &Project, target: &Target) -> Result<(), String> {
    let mut arguments = vec!["build", "--package", "medorder-ffi"];
    if !target.debug {
        arguments.push("--release");
    }
    run(&mut project.cargo(&arguments))?;
    place(project, target)?;
    println!("installed in {}", staged(target).display());
    Ok(())
}

/// The same, of libraries that are built.
pub(crate) fn place(project: &Project, target: &Target) -> Result<(), String> {
    let built = project.target().join(if target.debug { "debug" } else { "release" });
    let prefix = staged(target);
    let (include, lib) = (prefix.join("include"), prefix.join("lib"));
    let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake/medorder"));
    for folder in [&include, &pkgconfig, &cmake] {
        fs::create_dir_all(folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    }
    for header in ["medorder.h", "medorder.hpp", "medorder_c89.h"] {
        copy(&project.root.join("include").join(header), &include.join(header))?;
    }
    let (soname, file) = (format!("libmedorder.so.{}", abi(project)?), format!("libmedorder.so.{VERSION}"));
    copy(&built.join("libmedorder_ffi.so"), &lib.join(&file))?;
    copy(&built.join("libmedorder_ffi.a"), &lib.join("libmedorder.a"))?;
    for link in [soname.as_str(), "libmedorder.so"] {
        let path = lib.join(link);
        // The link of an older installation.
        let _ = fs::remove_file(&path);
        symlink(&file, &path).map_err(|e| format!("{} cannot be made: {e}", path.display()))?;
    }
    write(&pkgconfig.join("medorder.pc"), &pkg_config())?;
    write(&cmake.join("medorder-config.cmake"), &cmake_config(&soname, &file))?;
    write(&cmake.join("medorder-config-version.cmake"), &cmake_version())
}

/// The folder that is written to.
pub(crate) fn staged(target: &Target) -> PathBuf {
    if target.stage.as_os_str().is_empty() {
        return target.prefix.clone();
    }
    target.stage.join(target.prefix.strip_prefix("/").unwrap_or(&target.prefix))
}

/// The number in the soname; it has one home, the build script of the library.
fn abi(project: &Project) -> Result<String, String> {
    let script = fs::read_to_string(project.root.join("ffi/build.rs"))
        .map_err(|e| format!("ffi/build.rs is not readable: {e}"))?;
    let number = script.split_once("const ABI: u32 = ").and_then(|(_, rest)| rest.split_once(';'));
    number.map(|(number, _)| number.to_owned()).ok_or_else(|| "ffi/build.rs names no ABI".to_owned())
}

/// Finds the prefix by its own place, so that the whole tree can be moved.
fn pkg_config() -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: medorder\n\
         Description: Medical order engine to link in\n\
         Version: {VERSION}\n\
         Cflags: -I${{includedir}}\n\
         Libs: -L${{libdir}} -lmedorder\n\
         Libs.private: {STATIC_LIBS}\n"
    )
}

fn cmake_config(soname: &str, file: &str) -> String {
    let libraries = STATIC_LIBS.replace("-l", "").replace(' ', ";");
    format!(
        r#"# Targets: medorder::shared, medorder::static, and medorder::medorder, which is the shared one.
get_filename_component(_medorder_prefix "${{CMAKE_CURRENT_LIST_DIR}}/../../.." ABSOLUTE)
if(NOT TARGET medorder::shared)
  add_library(medorder::shared SHARED IMPORTED)
  set_target_properties(medorder::shared PROPERTIES
    IMPORTED_LOCATION "${{_medorder_prefix}}/lib/{file}"
    IMPORTED_SONAME "{soname}"
    INTERFACE_INCLUDE_DIRECTORIES "${{_medorder_prefix}}/include")
  add_library(medorder::static STATIC IMPORTED)
  set_target_properties(medorder::static PROPERTIES
    IMPORTED_LOCATION "${{_medorder_prefix}}/lib/libmedorder.a"
    INTERFACE_LINK_LIBRARIES "{libraries}"
    INTERFACE_INCLUDE_DIRECTORIES "${{_medorder_prefix}}/include")
  add_library(medorder::medorder INTERFACE IMPORTED)
  set_target_properties(medorder::medorder PROPERTIES INTERFACE_LINK_LIBRARIES medorder::shared)
endif()
unset(_medorder_prefix)
"#
    )
}

/// Before 1.0 a minor version may change what a program is compiled against.
fn cmake_version() -> String {
    format!(
        r#"set(PACKAGE_VERSION "{VERSION}")
string(REGEX MATCH "^[0-9]+\\.[0-9]+" _medorder_series "{VERSION}")
string(REGEX MATCH "^[0-9]+\\.[0-9]+" _medorder_wanted "${{PACKAGE_FIND_VERSION}}")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(_medorder_wanted STREQUAL "" OR _medorder_wanted STREQUAL _medorder_series)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
"#
    )
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    // Removed first: a program that runs with the old file keeps it.
    let _ = fs::remove_file(to);
    fs::copy(from, to).map(drop).map_err(|e| format!("{} cannot be copied: {e}", from.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_refused() {
        let target = read(&["--prefix", "/opt/medorder", "--debug"]).unwrap();
        assert_eq!(target.prefix, Path::new("/opt/medorder"));
        assert!(target.debug);
        assert!(!read(&["--prefix=/opt/medorder"]).unwrap().debug);
        assert!(read(&["--prefix=relative"]).unwrap().prefix.is_absolute());
        for wrong in [&[][..], &["--prefix"], &["--prefix="], &["/opt"], &["--prefix", "/opt", "--release"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_stage_stands_before_the_prefix() {
        let target = |stage: &str| Target { prefix: "/opt/m".into(), stage: stage.into(), debug: true };
        assert_eq!(staged(&target("")), Path::new("/opt/m"));
        assert_eq!(staged(&target("/tmp/stage")), Path::new("/tmp/stage/opt/m"));
    }
}

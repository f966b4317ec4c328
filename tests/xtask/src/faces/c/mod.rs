//! C and C++: the installed library, judged as a program that links it sees it.

mod checks;
mod surface;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::checks::{Checks, output, same};
use super::{Face, Profile, folder, leave_program, leave_runner};
use crate::project::{Project, run};
use crate::run::{Done, counted};
use crate::tally::Tally;
use crate::{install, setup};

pub(crate) const FACE: Face = Face { name: "C and C++", build, test };

/// Warnings are faults.
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic"];
const SANITIZE: &[&str] = &["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
/// Memory that is lost for good is a fault; what threads of the library hold when the program ends is not.
const VALGRIND: &str = "valgrind -q --leak-check=full --show-leak-kinds=definite \
                        --errors-for-leak-kinds=definite --error-exitcode=99";

const RUNNER: &str = "tests/conformance/runners/c";

fn build(project: &Project, profile: Profile) -> Result<(), String> {
    setup::complete(project)?;
    let prefix = folder(project, "c")?.join("prefix");
    // What an older version installed must not be found.
    let _ = fs::remove_dir_all(&prefix);
    install::install(
        project,
        &install::Target { prefix, stage: PathBuf::new(), debug: profile == Profile::Dev },
    )?;

    let sources = sources(&project.root.join(RUNNER))?;
    for (face, flags) in [("c", &["-O1", "-g"][..]), ("c-asan", SANITIZE)] {
        let program = folder(project, face)?.join("runner");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror"])
            .args(flags)
            .args(&sources)
            .arg("-o")
            .arg(&program);
        run(compiler.args(linked(project, &["medorder", "jansson"])?).arg("-lpthread"))?;
        leave_runner(project, face, &quoted(&program))?;
    }
    let bench = folder(project, "c")?.join("bench-c");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu11", "-O2"]).arg(project.root.join("ffi/bench.c")).arg("-o").arg(&bench);
    run(compiler.args(linked(project, &["medorder"])?))?;
    leave_program(project, "c", "bench", &quoted(&bench))?;
    let plain = folder(project, "c")?.join("runner");
    leave_runner(project, "c-valgrind", &format!("{VALGRIND} {}", quoted(&plain)))
}

fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    let work = folder(project, "c")?.join("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(|e| format!("{} cannot be made: {e}", work.display()))?;
    let place = Place { project, work };
    let suites: [Suite; 6] = [headers, interface, nulls, programs, consumers, examples];
    for suite in suites {
        suite(&place, tally)?;
    }
    Ok(Done::Ok)
}

type Suite = fn(&Place<'_>, &mut Tally) -> Result<(), String>;

/// Where the suites work.
struct Place<'a> {
    project: &'a Project,
    work: PathBuf,
}

impl Place<'_> {
    fn source(&self, path: &str) -> PathBuf {
        self.project.root.join(path)
    }

    fn prefix(&self) -> PathBuf {
        self.project.root.join("target/faces/c/prefix")
    }

    /// An empty folder.
    fn empty(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.work.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
        Ok(folder)
    }

    /// Compiles with the installed library; answers the program.
    fn compile(
        &self,
        compiler: &str,
        sources: &[PathBuf],
        name: &str,
        flags: &[&str],
    ) -> Result<PathBuf, String> {
        let program = self.work.join(name);
        let mut command = Command::new(compiler);
        command.args(STRICT).args(flags).args(sources).arg("-o").arg(&program);
        output(command.args(linked(self.project, &["medorder"])?).arg("-lpthread"))?;
        Ok(program)
    }
}

/// Both headers under each standard that they promise, each way to include them in an otherwise empty file.
fn headers(place: &Place<'_>, tally: &mut Tally) -> Result<(), String> {
    let mut checks = Checks::new("the headers compile without a warning");
    let c = [("c99", ""), ("c11", ""), ("c17", ""), ("c89", ""), ("c89", "-DMEDORDER_OWN_TYPES")];
    let cpp = [("c++98", ""), ("c++98", "-DMEDORDER_OWN_TYPES"), ("c++11", ""), ("c++17", ""), ("c++20", "")];
    let cases = c.iter().map(|case| ("cc", "c", case)).chain(cpp.iter().map(|case| ("c++", "c++", case)));
    for (compiler, language, (standard, define)) in cases {
        checks.check(&format!("medorder.h as {standard} {define}"), || {
            let mut command = Command::new(compiler);
            command.args(STRICT).arg(format!("-std={standard}")).args(["-x", language, "-fsyntax-only"]);
            let source = place.source("tests/c/header.c");
            output(command.arg("-I").arg(place.prefix().join("include")).args(some(define)).arg(source))
                .map(drop)
        });
    }
    for (standard, define) in
        [("c++17", ""), ("c++20", ""), ("c++17", "-fno-exceptions"), ("c++17", "-DMEDORDER_NO_EXCEPTIONS")]
    {
        checks.check(&format!("medorder.hpp as {standard} {define}"), || {
            let mut command = Command::new("c++");
            command
                .args(STRICT)
                .args(["-Wshadow", "-Wconversion"])
                .arg(format!("-std={standard}"))
                .args(some(define));
            command.arg("-I").arg(place.prefix().join("include")).args(["-x", "c++", "-fsyntax-only"]);
            output(command.arg(place.source("tests/c/header.cpp"))).map(drop)
        });
    }
    checks.finish(tally)
}

/// The functions of the header are those of the library, and their types those that programs were compiled with.
fn interface(place: &Place<'_>, tally: &mut Tally) -> Result<(), String> {
    let mut checks = Checks::new("the binary interface");
    let functions = declared(place)?;
    let lib = place.prefix().join("lib");
    checks.check("the library exports the functions of the header and nothing else", || {
        let text = output(Command::new("nm").args(["-D", "--defined-only"]).arg(lib.join("libmedorder.so")))?;
        let mut symbols: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        let mut names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
        symbols.sort_unstable();
        names.sort_unstable();
        same(&symbols.join("\n"), &names.join("\n"))
    });
    checks.check("the soname is that of the interface", || {
        let text = output(Command::new("readelf").arg("-d").arg(lib.join("libmedorder.so")))?;
        let links = fs::read_link(lib.join("libmedorder.so.0")).map_err(|e| e.to_string())?;
        // `dlclose` must not take the code from under a thread.
        if text.contains("[libmedorder.so.0]")
            && text.contains("NODELETE")
            && links.to_string_lossy().starts_with("libmedorder.so.0.")
        {
            Ok(())
        } else {
            Err(text)
        }
    });
    checks.check("the library needs no newer glibc than the README says", || {
        let text = output(Command::new("objdump").arg("-T").arg(lib.join("libmedorder.so")))?;
        let versions = text.split("GLIBC_2.").skip(1).filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse::<u32>().ok())
        });
        let newest = versions.max().ok_or("no version is asked for")?;
        let readme = fs::read_to_string(place.source("ffi/README.md")).map_err(|e| e.to_string())?;
        let stated = readme.split_once("glibc 2.").and_then(|(_, rest)| rest.split(' ').next());
        let stated = stated.and_then(|number| number.trim_end_matches('.').parse::<u32>().ok());
        match stated {
            Some(stated) if newest <= stated => Ok(()),
            _ => Err(format!("glibc 2.{newest} is needed and 2.{stated:?} stated")),
        }
    });
    checks.check("types and numbers are those of the committed interface", || {
        let (stub, library) = (place.work.join("stub.c"), place.work.join("libmedorder.so.0"));
        let header = header(place)?;
        let program = surface::stub_program(&functions, &surface::numbers(&header));
        fs::write(&stub, program).map_err(|e| e.to_string())?;
        let mut compiler = Command::new("cc");
        compiler.args(["-g", "-shared", "-fPIC", "-Wno-unused-parameter", "-Wl,-soname,libmedorder.so.0"]);
        compiler.arg("-I").arg(place.prefix().join("include")).arg("stub.c").arg("-o").arg(&library);
        // By its bare name: the file that is written names its source.
        output(compiler.current_dir(&place.work))?;
        let committed = place.source("tests/c/libmedorder.abi");
        if std::env::var_os("MEDORDER_WRITE_ABI").is_some() {
            let mut writer = Command::new("abidw");
            writer
                .args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"])
                .arg("--out-file")
                .arg(&committed);
            output(writer.arg(&library))?;
        }
        // Also what was added is shown: then the committed file is to be written anew, and looked at.
        output(Command::new("abidiff").arg("--no-show-locs").arg(&committed).arg(&library)).map(drop)
    });
    checks.finish(tally)
}

/// NULL for each pointer of each function.
fn nulls(place: &Place<'_>, tally: &mut Tally) -> Result<(), String> {
    let made = place.work.join("every_null.c");
    fs::write(&made, surface::null_program(&declared(place)?)).map_err(|e| e.to_string())?;
    let sources = [made, place.source("tests/c/nulls.c")];
    let include = format!("-I{}", place.source("tests/c").display());
    let mut flags = vec!["-std=c11", include.as_str()];
    flags.extend(SANITIZE);
    let program = place.compile("cc", &sources, "nulls", &flags)?;
    counted(Command::new(program).current_dir(place.empty("nulls-run")?), tally).map(drop)
}

/// Test programs, as they are and under the watchers of memory.
fn programs(place: &Place<'_>, tally: &mut Tally) -> Result<(), String> {
    let sources = sources(&place.source("tests/c/judge"))?;
    let plain = place.compile("cc", &sources, "judge", &["-std=gnu11", "-g"])?;
    counted(Command::new(&plain).current_dir(place.empty("judge-run")?), tally)?;
    let watched = place.compile("cc", &sources, "judge-asan", &[&["-std=gnu11"], SANITIZE].concat())?;
    counted(Command::new(watched).current_dir(place.empty("judge-asan-run")?), tally)?;
    let mut valgrind = Command::new("sh");
    valgrind.arg("-c").arg(format!("{VALGRIND} {}", quoted(&plain)));
    counted(valgrind.current_dir(place.empty("judge-valgrind-run")?), tally)?;

    let source = [place.source("tests/c/judge.cpp")];
    for (name, flag) in [
        ("judge-cpp", "-fexceptions"),
        ("judge-cpp-expected", "-fno-exceptions"),
        ("judge-cpp-chosen", "-DMEDORDER_NO_EXCEPTIONS"),
    ] {
        let flags = [&["-std=c++17", flag], SANITIZE].concat();
        let program = place.compile("c++", &source, name, &flags)?;
        counted(Command::new(program).current_dir(place.empty(&format!("{name}-run"))?), tally)?;
    }
    Ok(())
}

/// Programs of others find the library by pkg-config and by CMake, shared and static.
fn consumers(place: &Place<'_>, tally: &mut Tally) -> Result<(), String> {
    let mut checks = Checks::new("programs of others find the library");
    let main = place.source("tests/c/consumer/main.c");
    let version = env!("CARGO_PKG_VERSION");
    let greets = |program: &Path, shared: bool| {
        same(&output(&mut Command::new(program))?, &format!("medorder {version}, interface 0\n"))?;
        let needs = output(Command::new("readelf").arg("-d").arg(program))?.contains("libmedorder.so.0");
        if needs == shared { Ok(()) } else { Err(format!("linked as shared: {needs}")) }
    };
    checks.check("pkg-config, shared", || {
        let program = place.work.join("consumer-shared");
        let mut compiler = Command::new("cc");
        output(compiler.arg(&main).arg("-o").arg(&program).args(linked(place.project, &["medorder"])?))?;
        greets(&program, true)
    });
    checks.check("pkg-config, static", || {
        let program = place.work.join("consumer-static");
        let mut flags = pkg_config(place.project, &["--cflags", "--libs", "--static", "medorder"])?;
        for flag in &mut flags {
            if flag == "-lmedorder" {
                *flag = "-l:libmedorder.a".to_owned();
            }
        }
        output(Command::new("cc").arg(&main).arg("-o").arg(&program).args(flags))?;
        greets(&program, false)
    });
    checks.check("CMake, shared and static, C and C++", || {
        let build = place.empty("cmake")?;
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(place.source("tests/c/consumer")).arg("-B").arg(&build);
        output(cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", place.prefix().display())))?;
        output(Command::new("cmake").arg("--build").arg(&build))?;
        greets(&build.join("shared"), true)?;
        greets(&build.join("static"), false)?;
        greets(&build.join("cpp"), true)
    });
    checks.check("CMake refuses a version that is not there", || {
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(place.source("tests/c/consumer")).arg("-B").arg(place.empty("cmake-old")?);
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", place.prefix().display())).arg("-DWANTED=99.0");
        match output(&mut cmake) {
            Err(why) if why.contains("99.0") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    checks.check("an installation for a package is whole and can be moved", || {
        let stage = place.empty("stage")?;
        let target = install::Target { prefix: "/opt/medorder".into(), stage: stage.clone(), debug: true };
        install::place(place.project, &target)?;
        let moved = place.work.join("moved");
        let _ = fs::remove_dir_all(&moved);
        fs::rename(stage.join("opt/medorder"), &moved).map_err(|e| e.to_string())?;
        let path = moved.join("lib/pkgconfig");
        let mut command = Command::new("pkg-config");
        let flags = output(command.args(["--cflags", "--libs", "medorder"]).env("PKG_CONFIG_PATH", path))?;
        let program = place.work.join("consumer-moved");
        let rpath = format!("-Wl,-rpath,{}", moved.join("lib").display());
        let mut compiler = Command::new("cc");
        output(compiler.arg(&main).arg("-o").arg(&program).args(flags.split_whitespace()).arg(rpath))?;
        greets(&program, true)
    });
    checks.finish(tally)
}

/// The examples, in an empty folder with nothing but the installed prefix, and what the README promises.
fn examples(place: &Place<'_>, tally: &mut Tally) -> Result<(), String> {
    let mut checks = Checks::new("the examples print what they promise");
    for (compiler, standard, source) in [
        ("cc", "-std=c99", "examples/c/orders.c"),
        ("cc", "-std=c99", "examples/c/listen.c"),
        ("c++", "-std=c++17", "examples/cpp/orders.cpp"),
        ("c++", "-std=c++17", "examples/cpp/select_loop.cpp"),
    ] {
        let name = source.replace(['/', '.'], "-");
        checks.check(source, || {
            let path = place.source(source);
            let wanted = fs::read_to_string(path.with_extension("out")).map_err(|e| e.to_string())?;
            let program = place.compile(compiler, &[path], &name, &[standard, "-g"])?;
            same(
                &output(Command::new(&program).current_dir(place.empty(&format!("{name}-run"))?))?,
                &wanted,
            )?;
            let mut valgrind = Command::new("sh");
            valgrind.arg("-c").arg(format!("{VALGRIND} {}", quoted(&program)));
            same(&output(valgrind.current_dir(place.empty(&format!("{name}-watched"))?))?, &wanted)
        });
    }
    checks.check("the first five minutes of ffi/README.md", || first_minutes(place));
    checks.finish(tally)
}

/// Does what the README tells a new user to type, in an empty folder; what is printed is what it shows.
fn first_minutes(place: &Place<'_>) -> Result<(), String> {
    let readme = fs::read_to_string(place.source("ffi/README.md")).map_err(|e| e.to_string())?;
    let block = |language: &str| {
        let start = format!("```{language}\n");
        let text = readme.split_once(&start).and_then(|(_, rest)| rest.split_once("```"));
        text.map(|(text, _)| text.to_owned()).ok_or_else(|| format!("ffi/README.md shows no {language}"))
    };
    let folder = place.empty("first-minutes")?;
    fs::write(folder.join("first.c"), block("c")?).map_err(|e| e.to_string())?;
    let (mut typed, mut wanted) = (String::from("exec 2>&1\n"), String::new());
    for line in block("console")?.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => typed += &format!("{command}\n"),
            None => wanted += &format!("{line}\n"),
        }
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(typed).current_dir(&folder).env("PREFIX", place.prefix());
    let is = shell.output().map_err(|e| e.to_string())?;
    same(&String::from_utf8_lossy(&is.stdout), &wanted)
}

fn header(place: &Place<'_>) -> Result<String, String> {
    let header = place.source("include/medorder.h");
    fs::read_to_string(&header).map_err(|e| format!("{} is not readable: {e}", header.display()))
}

fn declared(place: &Place<'_>) -> Result<Vec<surface::Function>, String> {
    let functions = surface::functions(&header(place)?);
    if functions.is_empty() { Err("the header declares nothing".to_owned()) } else { Ok(functions) }
}

/// Flags that compile and link with packages, and find the library where it was installed when the program runs.
fn linked(project: &Project, packages: &[&str]) -> Result<Vec<String>, String> {
    let mut flags = pkg_config(project, &[&["--cflags", "--libs"], packages].concat())?;
    flags.push(format!("-Wl,-rpath,{}", project.root.join("target/faces/c/prefix/lib").display()));
    Ok(flags)
}

fn pkg_config(project: &Project, arguments: &[&str]) -> Result<Vec<String>, String> {
    let path = project.root.join("target/faces/c/prefix/lib/pkgconfig");
    let text = output(Command::new("pkg-config").args(arguments).env("PKG_CONFIG_PATH", path))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The C files of a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{} is not readable: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "c"));
    files.sort();
    Ok(files)
}

fn some(flag: &str) -> impl Iterator<Item = &str> {
    Some(flag).filter(|flag| !flag.is_empty()).into_iter()
}

/// For a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

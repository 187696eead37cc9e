//! Two users of one machine, each with whole runs of `ci` at the same time, in one checkout and in two.
#![expect(clippy::print_stderr, reason = "what a test leaves out is said")]

use crate::support::{assert_nothing_left, shop, tollgate};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    thread,
};
use tempfile::TempDir;
use tollgate_testkit::{Ended, Fixture, Invocation};

/// Nobody: a user of every machine who owns nothing.
const UID: &str = "65534";

/// Shows the toolchain, the pinned tool and tollgate itself where the other user can reach them, in a mount namespace that ends with
/// the command, and becomes that user.
const BECOME: &str = r#"
set -e
place=$1; mount --bind "$2" "$place/toolchain"; mount --bind "$3" "$place/tools"; mount --bind "$4" "$place/bin"; shift 4
exec setpriv --reuid=65534 --regid=65534 --clear-groups env --unset=CARGO_HOME --unset=RUSTUP_HOME --unset=XDG_CACHE_HOME \
    --unset=LLVM_PROFILE_FILE HOME="$place/home" PATH="$place/toolchain/bin:$place/tools:/usr/local/bin:/usr/bin:/bin" "$@"
"#;

/// A user who is not root, with a home of its own.
struct Nobody {
    place: TempDir,
}

impl Nobody {
    /// Where this process may not become another user, says so and gives none.
    fn new() -> Option<Self> {
        let words = ["--mount", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "true"];
        let allowed = Command::new("unshare").args(words).output();
        if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("only root can run as two users; nothing was tried: {allowed:?}");
            return None;
        }
        let place = tempfile::tempdir().expect("a directory");
        for name in ["toolchain", "tools", "bin", "home"] {
            fs::create_dir(place.path().join(name)).expect("a directory");
        }
        readable(place.path());
        give(&place.path().join("home"));
        Some(Self { place })
    }

    /// tollgate as this user.
    fn tollgate(&self, fixture: &Fixture, variables: &[&str], args: &[&str]) -> Invocation {
        let place = self.place.path().to_string_lossy().into_owned();
        let (sysroot, tool) = (said(&["rustc", "--print", "sysroot"]), said(&["sh", "-c", TOOL]));
        let own = Path::new(env!("CARGO_BIN_EXE_tollgate")).parent().expect("a directory").to_string_lossy();
        let program = format!("{place}/bin/tollgate");
        let head = ["--mount", "bash", "-c", BECOME, "bash", &place, &sysroot, &tool, &own];
        Invocation::new("unshare", fixture).args(&head).args(variables).args(&[&program]).args(args)
    }
}

/// Prints the directory of cargo-llvm-cov, which tollgate may have in its cache.
const TOOL: &str = "dirname \"$(ls ${XDG_CACHE_HOME:-$HOME/.cache}/tollgate/tools/cargo-llvm-cov-*/bin/cargo-llvm-cov \
                    2>/dev/null | head -n 1 | grep . || command -v cargo-llvm-cov)\"";

fn said(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Lets everybody read a directory that was made for this process alone.
fn readable(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("its own");
}

/// Gives a directory away, with all that is in it.
fn give(path: &Path) {
    said(&["chown", "--recursive", &format!("{UID}:{UID}"), &path.to_string_lossy()]);
}

#[test]
fn two_users_run_at_the_same_time_in_one_checkout_and_in_two() {
    let Some(nobody) = Nobody::new() else { return };
    let (shared, own) = (shop(), shop());
    for fixture in [&shared, &own] {
        // Three whole runs share the machine's cores.
        fixture.replace("ci/tollgate.toml", "ready-timeout = \"5s\"", "ready-timeout = \"60s\"");
    }
    readable(shared.root().as_std_path());
    // A lock file that is not there yet only the checkout's owner can write.
    said(&["cargo", "generate-lockfile", "--offline", "--manifest-path", shared.root().join("Cargo.toml").as_str()]);
    give(own.root().as_std_path());
    let ci = ["ci", "--engine", "native"];
    let target = format!("CARGO_TARGET_DIR={}/home/target", nobody.place.path().display());
    let runs = [tollgate(&shared, &ci), nobody.tollgate(&shared, &[&target], &ci), nobody.tollgate(&own, &[], &ci)];
    let ended: Vec<Ended> = thread::scope(|scope| {
        let threads: Vec<_> = runs.into_iter().map(|run| scope.spawn(|| run.run())).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    for ended in &ended {
        assert_eq!(ended.code, 0, "{ended}");
    }
    assert!(ended[1].stderr.contains("This run is not remembered: can't write"), "it is root's history: {}", ended[1]);

    let refused = nobody.tollgate(&shared, &[], &ci).run();
    assert_eq!(refused.code, 5, "{refused}");
    assert!(
        refused.stderr.contains("Permission denied") && refused.stderr.contains("CARGO_TARGET_DIR=~/"),
        "{refused}"
    );

    let gc = nobody.tollgate(&shared, &[&target], &["env", "gc", "--dry-run"]).run();
    assert_eq!(gc.stdout, "nothing is left behind\n", "{gc}");
    assert_nothing_left(&shared);
    assert_nothing_left(&own);
}

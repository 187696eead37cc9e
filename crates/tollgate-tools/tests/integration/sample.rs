//! A copy of fixtures/sample with the tools to work on it.

use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tempfile::TempDir;
use tollgate_exec::{Cmd, Interrupt};
use tollgate_model::{BuildKind, BuildPlan, RunId, TestResult, TierName};
use tollgate_tools::nextest::{self, Built, TierRun};
use tollgate_tools::setup::{self, Pins, Tools};
use tollgate_tools::{ToolError, Toolbox};

/// The copy; it goes with the value.
pub(crate) struct Sample {
    pub(crate) toolbox: Toolbox,
    pub(crate) root: Utf8PathBuf,
    pub(crate) out: Utf8PathBuf,
    _directory: TempDir,
}

pub(crate) fn interrupt() -> Interrupt {
    Interrupt::new().expect("a pipe")
}

pub(crate) fn utf8(directory: &TempDir) -> Utf8PathBuf {
    let path = directory.path().canonicalize().expect("it exists");
    Utf8PathBuf::from_path_buf(path).expect("a path in UTF-8")
}

/// The pinned tools; the first test of a machine installs them.
pub(crate) fn tools() -> Tools {
    let (pins, here, interrupt) = (Pins::default(), Utf8Path::new(env!("CARGO_MANIFEST_DIR")), interrupt());
    setup::find(&pins, here, &interrupt).unwrap_or_else(|missing| {
        setup::install(&missing, here, &interrupt, &mut |_| ()).expect("the tools can be installed");
        setup::find(&pins, here, &interrupt).expect("they are installed")
    })
}

impl Sample {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let base = utf8(&directory);
        let (root, out) = (base.join("sample"), base.join("out"));
        let fixture = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sample");
        copy(&fixture, &root);
        let toolbox = Toolbox::new(root.clone(), interrupt(), &tools());
        Self { toolbox, root, out, _directory: directory }
    }

    pub(crate) fn build(&self, plan: &BuildPlan, binaries: &[&str]) -> Result<Built, ToolError> {
        let binaries: Vec<String> = binaries.iter().map(ToString::to_string).collect();
        nextest::build(&self.toolbox, plan, &self.out.join("build"), &binaries, &mut |_| ())
    }

    pub(crate) fn run(&self, built: &Built, tier: &TierRun) -> Vec<TestResult> {
        nextest::run(&self.toolbox, built, tier, &mut |_| ()).expect("nextest runs").results
    }

    /// A tier of all tests that a filterset matches.
    pub(crate) fn tier(&self, name: &str, filter: &str) -> TierRun {
        TierRun {
            name: TierName::new(name).expect("a name"),
            run: RunId::new("20261121-093055-1").expect("a name"),
            filter: filter.to_owned(),
            partition: None,
            tests: None,
            first: Vec::new(),
            retries: 0,
            timeout_ms: 60_000,
            threads: None,
            limit: None,
            env: vec![("RUST_BACKTRACE".to_owned(), "0".to_owned())],
            directory: self.out.join(name),
        }
    }

    /// Runs cargo as a user of the workspace would.
    pub(crate) fn cargo(&self, args: &[&str]) {
        let cmd = Cmd::new("cargo").args(args).cwd(&self.root).env_remove("RUSTC_WORKSPACE_WRAPPER");
        cmd.run(&interrupt()).and_then(|output| output.success_or(&cmd)).expect("cargo works");
    }

    /// Every file below the copy whose name ends so, without the target directory.
    pub(crate) fn files(&self, suffix: &str) -> Vec<Utf8PathBuf> {
        files(&self.root).into_iter().filter(|path| path.as_str().ends_with(suffix)).collect()
    }
}

pub(crate) fn instrumented() -> BuildPlan {
    BuildPlan { kind: BuildKind::Instrumented, cargo_profile: "dev".to_owned(), packages: Vec::new() }
}

pub(crate) fn plain(packages: &[&str]) -> BuildPlan {
    let packages = packages.iter().map(ToString::to_string).collect();
    BuildPlan { kind: BuildKind::Optimised, cargo_profile: "dev".to_owned(), packages }
}

fn files(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir_utf8().expect("a directory").flatten().filter(|e| e.file_name() != "target") {
        if entry.path().is_dir() {
            found.extend(files(entry.path()));
        } else {
            found.push(entry.path().to_owned());
        }
    }
    found
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("it is below"));
        fs::create_dir_all(target.parent().expect("it is below")).expect("it can be created");
        fs::copy(&file, &target).expect("it can be copied");
    }
}

//! A container engine of its own, which can be killed without harm to the machine's: own data, own socket, own network.

use crate::Failure;
use std::{
    fs::File,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long the engine may take to start, to load images, and to end.
const LIMIT: Duration = Duration::from_mins(1);

/// An engine, and the network that it and its clients live in.
pub(crate) struct Daemon {
    home: tempfile::TempDir,
    network: Child,
    server: Child,
}

impl Daemon {
    /// Starts one with these images of the machine's engine.
    pub(crate) fn start(images: &[String]) -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let mut network = Command::new("unshare");
        let mut network = network.args(["--net", "sh", "-c", "ip link set lo up && exec sleep 900"]).spawn()?;
        if let Err(error) = has_network(network.id()) {
            // It has ended already, or is to end now.
            let _ = network.kill();
            let _ = network.wait();
            return Err(error);
        }
        let server = serve(home.path(), network.id())?;
        let daemon = Self { home, network, server };
        daemon.answers()?;
        let load = "docker save \"$@\" | docker --host \"$0\" load >/dev/null";
        let loaded = Command::new("sh").args(["-c", load, &daemon.host()]).args(images).status()?;
        if loaded.success() { Ok(daemon) } else { Err("its images can't be carried over".into()) }
    }

    /// The address of its socket, as clients are told.
    fn host(&self) -> String {
        format!("unix://{}/socket", self.home.path().display())
    }

    /// Words before a command line that make it a client of this engine.
    pub(crate) fn starter(&self) -> Vec<String> {
        let (host, network) = (format!("DOCKER_HOST={}", self.host()), self.network.id().to_string());
        ["env", &host, "nsenter", "--target", &network, "--net"].map(str::to_owned).to_vec()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.server.kill()?;
        self.server.wait()?;
        Ok(())
    }

    /// Starts the killed engine again.
    pub(crate) fn start_again(&mut self) -> Result<(), Failure> {
        // Its containerd died with it. Where nobody collects orphans it is a zombie now, which the engine takes for alive.
        std::fs::remove_file(self.home.path().join("exec/containerd/containerd.pid"))?;
        self.server = serve(self.home.path(), self.network.id())?;
        self.answers()
    }

    /// Everything it has that is of no use to itself.
    pub(crate) fn remains(&self) -> Result<Vec<String>, Failure> {
        let lists: [&[&str]; 3] = [
            &["ps", "--all", "--format", "container {{.Names}}"],
            &["network", "ls", "--filter", "type=custom", "--format", "network {{.Name}}"],
            &["volume", "ls", "--format", "volume {{.Name}}"],
        ];
        let mut found = Vec::new();
        for list in lists {
            let output = Command::new("docker").args(["--host", &self.host()]).args(list).output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
            found.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
        }
        Ok(found)
    }

    fn answers(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let asked = Command::new("docker").args(["--host", &self.host(), "version"]).output()?;
            if asked.status.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        Err(format!("an engine of its own does not start: {}", log.lines().last().unwrap_or_default()).into())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that is dead can't take its containers along.
        if !matches!(self.server.try_wait(), Ok(None)) {
            let _ = self.start_again();
        }
        // In order, so that it takes its containers and its mounts with it.
        let asked = Command::new("kill").args(["-TERM", &self.server.id().to_string()]).status();
        let began = Instant::now();
        while asked.is_ok() && began.elapsed() < LIMIT && matches!(self.server.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // The engine binds its data to itself, and one that was killed once leaves that; otherwise there is nothing to undo.
        let _ = Command::new("umount").arg(self.home.path().join("data")).stderr(Stdio::null()).status();
        for child in [&mut self.server, &mut self.network] {
            // It has ended already, or is to end now.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a process is in a network of its own; before that, entering its network is to stay in this one.
fn has_network(pid: u32) -> Result<(), Failure> {
    let network = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net"));
    let (own, began) = (network("self")?, Instant::now());
    while network(&pid.to_string()).ok().is_none_or(|network| network == own) {
        if began.elapsed() > LIMIT {
            return Err("a network of its own can't be made".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn serve(home: &std::path::Path, network: u32) -> Result<Child, Failure> {
    let path = |name: &str| home.join(name).to_string_lossy().into_owned();
    let log = File::options().create(true).append(true).open(home.join("log"))?;
    // It ends with the suite, however that ends.
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "TERM",
        "nsenter",
        "--target",
        &network.to_string(),
        "--net",
        "dockerd",
        "--host",
        &format!("unix://{}", path("socket")),
    ]);
    command.args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--pidfile", &path("pid")]);
    Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
}

//! Lines of the engine's event stream, docker's and podman's.

use serde_json::Value;

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happened {
    /// It ended.
    Died {
        /// The service.
        service: String,
        /// Its exit code.
        code: Option<i32>,
        /// When, in nanoseconds since 1970; absent where the engine does not tell precisely.
        at: Option<i128>,
    },
    /// The kernel killed something in it for want of memory.
    OutOfMemory {
        /// The service.
        service: String,
    },
}

/// Reads one line of `events --format '{{json .}}'`; nothing when it is of no interest.
pub(super) fn read(line: &str) -> Option<Happened> {
    let event: Value = serde_json::from_str(line).ok()?;
    let attributes = event.pointer("/Actor/Attributes").or_else(|| event.get("Attributes"))?;
    let service = attributes.get("com.docker.compose.service")?.as_str()?.to_owned();
    let what = ["Action", "status", "Status"].iter().find_map(|key| event.get(*key)?.as_str())?;
    match what {
        "die" | "died" => {
            let code = ["exitCode", "containerExitCode"].iter().find_map(|key| number(attributes.get(*key)?));
            let code = code.or_else(|| number(event.get("ContainerExitCode")?));
            let at = event.get("timeNano").and_then(Value::as_i64).map(i128::from);
            Some(Happened::Died { service, code, at })
        }
        "oom" => Some(Happened::OutOfMemory { service }),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i32> {
    value.as_str().map_or_else(|| value.as_i64().and_then(|code| code.try_into().ok()), |text| text.parse().ok())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn ends_are_read_from_both_engines() {
        let service = || "db".to_owned();
        // recorded with docker 20.10, shortened
        let docker = r#"{"status":"die","Type":"container","Action":"die","Actor":{"ID":"09","Attributes":{"com.docker.compose.service":"db","exitCode":"137"}},"time":1795227189,"timeNano":1795227189655745483}"#;
        let at = Some(1_795_227_189_655_745_483);
        assert_eq!(read(docker), Some(Happened::Died { service: service(), code: Some(137), at }));
        // the form podman documents for its event log
        let podman =
            r#"{"Name":"x","Status":"died","ContainerExitCode":1,"Attributes":{"com.docker.compose.service":"db"}}"#;
        assert_eq!(read(podman), Some(Happened::Died { service: service(), code: Some(1), at: None }));
        let oom = r#"{"Action":"oom","Actor":{"Attributes":{"com.docker.compose.service":"db"}}}"#;
        assert_eq!(read(oom), Some(Happened::OutOfMemory { service: service() }));
        let start = r#"{"Action":"start","Actor":{"Attributes":{"com.docker.compose.service":"db"}}}"#;
        assert_eq!((read(start), read("nonsense")), (None, None));
    }
}

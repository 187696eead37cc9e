//! What runs natively, and how it is called: the words that its container is started with, and those it gets here.

use super::model::{Program, Recipe, Service, Sited};
use super::node::Place;
use camino::Utf8Path;

impl Service {
    /// The workspace binary that the service is, where it is one.
    pub fn workspace_binary(&self) -> Option<&str> {
        match self.extension.as_ref().and_then(|extension| extension.program.as_ref()) {
            Some(Program::Binary(name)) => Some(name),
            _ => None,
        }
    }

    /// What runs natively: what `x-tollgate` says, or the recipe that the image's name stands for.
    pub fn native_program(&self) -> Option<Program> {
        let said = self.extension.as_ref().and_then(|extension| extension.program.clone());
        said.or_else(|| self.image_recipe().map(Program::Recipe))
    }

    /// The recipe that makes the same server as the image does.
    pub fn image_recipe(&self) -> Option<Recipe> {
        let image = self.image.as_ref()?.value.as_str();
        let repository = image.rsplit('/').next().unwrap_or(image);
        let name = repository.split([':', '@']).next()?;
        Recipe::ALL.into_iter().find(|recipe| recipe.as_str() == name)
    }

    /// The recipe it is made by, or would be.
    pub fn recipe(&self) -> Option<Recipe> {
        match self.native_program() {
            Some(Program::Recipe(recipe)) => Some(recipe),
            _ => None,
        }
    }

    /// The words that the file starts the container with, and where they begin; none where the image decides.
    pub(crate) fn container_words(&self) -> Option<Sited<Vec<String>>> {
        let parts: Vec<&Sited<Vec<String>>> = self.entrypoint.iter().chain(&self.command).collect();
        let at = parts.first()?.at;
        Some(Sited { value: parts.into_iter().flat_map(|part| part.value.clone()).collect(), at })
    }

    /// The words of the service's process here beside a binary's path: the whole of `x-tollgate.command`, or the arguments of
    /// a binary, which are those of the container's command where `x-tollgate` has none.
    ///
    /// # Errors
    /// The place of a command of the container that is not the binary with arguments.
    pub(crate) fn native_words(&self) -> Result<Sited<Vec<String>>, Place> {
        let Some(extension) = &self.extension else { return Ok(none(self.at)) };
        match (&extension.program, &extension.arguments) {
            (Some(Program::Command(argv)), _) => Ok(Sited { value: argv.clone(), at: extension.at }),
            (Some(Program::Binary(_)), Some(said)) => Ok(said.clone()),
            (Some(Program::Binary(binary)), None) => {
                let Some(words) = self.container_words() else { return Ok(none(self.at)) };
                match words.value.split_first() {
                    Some((first, arguments)) if Utf8Path::new(first).file_name() == Some(binary.as_str()) => {
                        Ok(Sited { value: arguments.to_vec(), at: words.at })
                    }
                    _ if self.does_without("command") => Ok(none(self.at)),
                    _ => Err(words.at),
                }
            }
            _ => Ok(none(self.at)),
        }
    }

    /// Whether the file says that the service's process can do without a key.
    pub(crate) fn does_without(&self, key: &str) -> bool {
        self.extension.as_ref().is_some_and(|extension| extension.without.contains(key))
    }
}

fn none(at: Place) -> Sited<Vec<String>> {
    Sited { value: Vec::new(), at }
}

#[cfg(test)]
mod unit {
    use crate::compose::sample;

    /// The words of a service that is the binary `app`, or the line and column of what can't be one.
    fn words(keys: &str) -> Result<String, (u32, u32)> {
        let compose = sample(&format!("services:\n  app:\n    image: x\n{keys}"));
        compose.services["app"].native_words().map(|words| words.value.join(" ")).map_err(|at| (at.line, at.column))
    }

    #[test]
    fn a_binary_gets_the_arguments_of_its_container_or_its_own() {
        let check = |keys: &str, expect: &str| assert_eq!(words(keys), Ok(expect.to_owned()), "{keys}");
        check("    x-tollgate: { binary: app }\n", "");
        check("    command: [/opt/app, --fast]\n    x-tollgate: { binary: app }\n", "--fast");
        check("    entrypoint: /app\n    command: -a -b\n    x-tollgate: { binary: app }\n", "-a -b");
        check("    command: [/app, -a]\n    x-tollgate: { binary: app, arguments: [-b] }\n", "-b");
        check("    command: [sh, -c, app]\n    x-tollgate: { binary: app, without: [command] }\n", "");
        check("    command: [app, -a]\n    x-tollgate: { command: [sleep, '1'] }\n", "sleep 1");
        assert_eq!(words("    command: [sh, -c, app]\n    x-tollgate: { binary: app }\n"), Err((4, 14)));
    }
}

"""Writes every `run` of the workflow files given to a directory, as one script each."""

import pathlib
import sys

from ruamel.yaml import YAML

out = pathlib.Path(sys.argv[1])
for path in sys.argv[2:]:
    jobs = YAML(typ="safe").load(pathlib.Path(path))["jobs"]
    for name, job in jobs.items():
        for place, step in enumerate(job.get("steps", []), 1):
            if "run" in step:
                # The shell that a step has by default on Linux, with the variables that the step declares.
                declared = "".join(f"{key}=; export {key}\n" for key in step.get("env", {}))
                script = out / f"{pathlib.Path(path).stem}.{name}.{place}.sh"
                script.write_text(f"#!/bin/bash -e\n{declared}{step['run']}\n")

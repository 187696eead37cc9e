// Reads every file with GitHub's own parser of workflows; fails where it finds an error.
import { readFileSync } from "node:fs";
import { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } from "@actions/workflow-parser";

async function errors(name) {
  const parsed = parseWorkflow({ name, content: readFileSync(name, "utf8") }, new NoOperationTraceWriter());
  const found = parsed.context.errors.getErrors().map((error) => error.message);
  if (!parsed.value) return [...found, "it is no workflow"];
  const template = await convertWorkflowTemplate(parsed.context, parsed.value);
  return [...found, ...(template.errors ?? []).map((error) => error.Message)];
}

async function main() {
  for (const name of process.argv.slice(2)) {
    for (const error of await errors(name)) {
      console.log(`${name}: ${error}`);
      process.exitCode = 1;
    }
  }
}

main();

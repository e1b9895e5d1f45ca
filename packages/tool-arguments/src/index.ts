/** What a model writes for a tool, checked against the tool's JSON schema before anything is called. */
export { type CheckedArguments, ToolArguments, type ToolArgumentsOptions } from './tool-arguments.ts';

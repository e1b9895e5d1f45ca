/** Takes one line for people: what is being done, or why a way did not work. No line break at its end. */
export type Log = (line: string) => void;

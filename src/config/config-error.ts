/** Every fault of the configuration in one message; it never repeats a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(faults: readonly string[]) {
    const lines = faults.map((fault) => `  - ${fault}`).join("\n");
    super(`The configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}:\n${lines}`);
  }
}

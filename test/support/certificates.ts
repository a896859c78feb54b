import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CertificateAndKey {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority of one's own, made with openssl in a directory that is removed afterwards. */
export class CertificateAuthority implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "certificates-"));
  readonly certFile: string;
  readonly cert: string;
  readonly #keyFile: string;

  constructor(name = "Test CA") {
    this.certFile = join(this.directory, "ca.pem");
    this.#keyFile = join(this.directory, "ca.key");
    openssl(
      "req",
      "-x509",
      ...newKey(this.#keyFile),
      "-out",
      this.certFile,
      "-subj",
      `/CN=${name}`,
      "-days",
      "2",
    );
    this.cert = readFileSync(this.certFile, "utf8");
  }

  /** @param subjectAltName as openssl writes it, e.g. "DNS:payments.bank,URI:spiffe://bank/payments"; days: of life from now, negative for past; extensions: further lines of openssl's */
  issue(name: string, subjectAltName: string, days = 2, keyKind = "ec", extensions = ""): CertificateAndKey {
    const [certFile, keyFile, requestFile, extensionFile] = ["pem", "key", "csr", "ext"].map((suffix) =>
      join(this.directory, `${name}.${suffix}`),
    ) as [string, string, string, string];
    openssl("req", ...newKey(keyFile, keyKind), "-out", requestFile, "-subj", `/CN=${name}`);
    writeFileSync(extensionFile, `subjectAltName=${subjectAltName}\n${extensions}\n`);
    const authority = ["-CA", this.certFile, "-CAkey", this.#keyFile, "-CAcreateserial"];
    const life = ["-days", String(days)];
    openssl(
      "x509",
      "-req",
      "-in",
      requestFile,
      "-out",
      certFile,
      ...authority,
      ...life,
      "-extfile",
      extensionFile,
    );
    return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function newKey(file: string, kind = "ec"): string[] {
  const curve = kind === "ec" ? ["-pkeyopt", "ec_paramgen_curve:P-256"] : [];
  return ["-newkey", kind, ...curve, "-nodes", "-keyout", file];
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

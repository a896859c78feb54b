import { createHash, createPrivateKey, sign, X509Certificate } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  Attribute,
  CertificateChoices,
  CertificateSet,
  ContentInfo,
  EncapsulatedContent,
  EncapsulatedContentInfo,
  IssuerAndSerialNumber,
  id_signedData,
  SignedData,
  SignerIdentifier,
  SignerInfo,
} from "@peculiar/asn1-cms";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { id_ct_tstInfo, PKIStatusInfo, TimeStampReq, TimeStampResp, TSTInfo } from "@peculiar/asn1-tsp";
import { AlgorithmIdentifier, Certificate } from "@peculiar/asn1-x509";
import { Set as Asn1Set, fromBER, ObjectIdentifier, OctetString as Octets, Sequence } from "asn1js";
import { type CertificateAndKey, CertificateAuthority } from "./certificates.ts";

export const forTimeStamps = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature";

const sha256 = new AlgorithmIdentifier({ algorithm: "2.16.840.1.101.3.4.2.1" });
const algorithms = {
  ec: "1.2.840.10045.4.3.2",
  rsa: "1.2.840.113549.1.1.11",
};

export interface Faults {
  readonly status?: number;
  readonly nonce?: Uint8Array;
  readonly imprint?: Uint8Array;
  readonly at?: Date;
  /** A changed bit of the signature. */
  readonly forged?: boolean;
  /** Names the certificate of another key in the signed attributes. */
  readonly named?: string;
  readonly signer?: CertificateAndKey;
}

const buffer = (bytes: Uint8Array) => new Uint8Array(bytes).buffer;
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

/** The answer of an authority to a request, in DER. */
export function answerOf(query: Uint8Array, signer: CertificateAndKey, faults: Faults = {}): Buffer {
  const request = AsnConvert.parse(query, TimeStampReq);
  const status = new PKIStatusInfo({ status: faults.status ?? 0 });
  if (status.status > 1) return Buffer.from(AsnConvert.serialize(new TimeStampResp({ status })));
  if (faults.imprint) request.messageImprint.hashedMessage = new OctetString(faults.imprint);
  const nonce = faults.nonce ? buffer(faults.nonce) : request.nonce;
  const info = new TSTInfo({
    ...{ version: 1, policy: "1.2.3.4.1", messageImprint: request.messageImprint },
    ...{ serialNumber: buffer(Buffer.of(7)), genTime: faults.at ?? new Date(), ...(nonce && { nonce }) },
  });
  const content = Buffer.from(AsnConvert.serialize(info));
  const token = AsnConvert.serialize(signedData(content, signer, faults));
  const timeStampToken = AsnConvert.parse(token, ContentInfo);
  return Buffer.from(AsnConvert.serialize(new TimeStampResp({ status, timeStampToken })));
}

function signedData(content: Buffer, signer: CertificateAndKey, faults: Faults): ContentInfo {
  const { raw } = new X509Certificate(signer.cert);
  const certificate = AsnConvert.parse(raw, Certificate);
  const named = hashOf(new X509Certificate(faults.named ?? signer.cert).raw);
  const essId = new Sequence({ value: [new Octets({ valueHex: named })] });
  const value = (type: string, block: { toBER(): ArrayBuffer }) =>
    new Attribute({ attrType: type, attrValues: [block.toBER()] });
  const signedAttrs = [
    value("1.2.840.113549.1.9.3", new ObjectIdentifier({ value: id_ct_tstInfo })),
    value("1.2.840.113549.1.9.4", new Octets({ valueHex: hashOf(content) })),
    value("1.2.840.113549.1.9.16.2.47", new Sequence({ value: [new Sequence({ value: [essId] })] })),
  ];
  // DER orders a SET by the encodings of its members.
  const ordered = signedAttrs
    .map((attribute) => ({ attribute, der: Buffer.from(AsnConvert.serialize(attribute)) }))
    .sort((one, other) => one.der.compare(other.der));
  const key = createPrivateKey(signer.key);
  const set = new Asn1Set({ value: ordered.map(({ der }) => fromBER(buffer(der)).result) }).toBER();
  const signature = sign("sha256", Buffer.from(set), key);
  if (faults.forged) signature[signature.length - 1]! ^= 1;
  const signerInfo = new SignerInfo({
    ...{ version: 1, digestAlgorithm: sha256, signedAttrs: ordered.map(({ attribute }) => attribute) },
    sid: new SignerIdentifier({
      issuerAndSerialNumber: new IssuerAndSerialNumber({
        issuer: certificate.tbsCertificate.issuer,
        serialNumber: certificate.tbsCertificate.serialNumber,
      }),
    }),
    signatureAlgorithm: new AlgorithmIdentifier({
      algorithm: algorithms[key.asymmetricKeyType === "rsa" ? "rsa" : "ec"],
    }),
    signature: new OctetString(signature),
  });
  const data = new SignedData({
    version: 3,
    encapContentInfo: new EncapsulatedContentInfo({
      eContentType: id_ct_tstInfo,
      eContent: new EncapsulatedContent({ single: new OctetString(content) }),
    }),
    certificates: new CertificateSet([new CertificateChoices({ certificate })]),
  });
  data.digestAlgorithms.push(sha256);
  data.signerInfos.push(signerInfo);
  return new ContentInfo({ contentType: id_signedData, content: AsnConvert.serialize(data) });
}

/** A time-stamp authority over real HTTP, with an authority of its own. */
export class TsaDouble implements Disposable {
  readonly ca = new CertificateAuthority("TSA CA");
  readonly signer = this.ca.issue("tsa", "DNS:tsa.example", 2, "ec", forTimeStamps);
  /** Of the answers to come. */
  faults: Faults = {};
  /** Answers in its place. */
  instead: ((response: ServerResponse) => void) | undefined;
  readonly queries: { readonly body: Buffer; readonly headers: Readonly<Record<string, unknown>> }[] = [];
  readonly #server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts);
      this.queries.push({ body, headers: request.headers });
      if (this.instead !== undefined) return this.instead(response);
      const answer = answerOf(body, this.faults.signer ?? this.signer, this.faults);
      response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(answer);
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/tsa`;
  }

  [Symbol.dispose](): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.ca[Symbol.dispose]();
  }
}

import { constants, createHash, type KeyObject, verify, X509Certificate } from "node:crypto";
import { type Attribute, ContentInfo, id_signedData, SignedData, type SignerInfo } from "@peculiar/asn1-cms";
import { AsnConvert } from "@peculiar/asn1-schema";
import { id_ct_tstInfo, TSTInfo } from "@peculiar/asn1-tsp";
import { type BaseBlock, ObjectIdentifier, OctetString, Sequence } from "asn1js";
import { childrenOf, parseDer, rawOf, readable, tagged } from "./der.ts";
import { checkAuthority } from "./time-stamp-chain.ts";
import { TimeStampFault } from "./time-stamp-fault.ts";

const hashes: Readonly<Record<string, string>> = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/** With a hash of their own; the others take the one that the token names. */
const signatures: Readonly<Record<string, string | undefined>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};
const [rsaEncryption, rsaPss] = ["1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"];
const [contentType, messageDigest] = ["1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"];
const [signingCertificate, signingCertificateV2] = [
  "1.2.840.113549.1.9.16.2.12",
  "1.2.840.113549.1.9.16.2.47",
];

/** What a token must be over. */
export interface Stamped {
  /** SHA-256. */
  readonly digest: Uint8Array;
  /** Of the request, where the token answers one. */
  readonly nonce?: Uint8Array;
}

/**
 * The time that an authority vouches for: RFC 3161, 2.4.2 and RFC 5652, 5.4 to 5.6, with the certificate bound by
 * RFC 2634 or RFC 5035. Structures are read by a library; every hash and signature is Node's.
 * @throws TimeStampFault
 */
export function timeOfToken(token: Uint8Array, stamped: Stamped, anchors: readonly X509Certificate[]): Date {
  return readable(() => checkedTime(token, stamped, anchors));
}

function checkedTime(token: Uint8Array, stamped: Stamped, anchors: readonly X509Certificate[]): Date {
  const { content, signer, signedAttributes, certificates } = readToken(token);
  const info = AsnConvert.parse(content, TSTInfo);
  const { hashAlgorithm, hashedMessage } = info.messageImprint;
  if (
    hashes[hashAlgorithm.algorithm] !== "sha256" ||
    !Buffer.from(hashedMessage.buffer).equals(stamped.digest)
  ) {
    throw new TimeStampFault("WRONG_IMPRINT");
  }
  if (stamped.nonce !== undefined && !Buffer.from(info.nonce ?? new ArrayBuffer(0)).equals(stamped.nonce)) {
    throw new TimeStampFault("WRONG_NONCE");
  }
  const isOdd = info.extensions?.some(({ critical }) => critical) || Number.isNaN(info.genTime.getTime());
  if (info.version !== 1 || isOdd) throw new TimeStampFault("NOT_A_TOKEN");
  const attributes = signer.signedAttrs ?? [];
  const certificate = certificates.find((one) => isNamedBy(attributes, one));
  if (certificate === undefined || !isSigned(content, signer, signedAttributes, certificate.publicKey)) {
    throw new TimeStampFault("WRONG_SIGNATURE");
  }
  checkAuthority(certificate, certificates, anchors, info.genTime);
  return info.genTime;
}

function readToken(token: Uint8Array) {
  const root = parseDer(token);
  const wrapper = AsnConvert.parse(token, ContentInfo);
  if (wrapper.contentType !== id_signedData) throw new TimeStampFault("NOT_A_TOKEN");
  const { encapContentInfo, signerInfos } = AsnConvert.parse(wrapper.content, SignedData);
  const content = encapContentInfo.eContent?.single;
  const [signer, ...others] = signerInfos;
  if (encapContentInfo.eContentType !== id_ct_tstInfo || !content || !signer || others.length > 0) {
    throw new TimeStampFault("NOT_A_TOKEN");
  }
  const parts = childrenOf(childrenOf(tagged(childrenOf(root), 0))[0]);
  const [rawSigner] = childrenOf(parts.at(-1));
  // RFC 5652, 5.4: they are signed as a SET, and stand in the token under [0].
  const signedAttributes = rawOf(tagged(childrenOf(rawSigner), 0));
  signedAttributes[0] = 0x31;
  const inside = tagged(parts, 0);
  const certificates =
    inside === undefined ? [] : childrenOf(inside).map((one) => new X509Certificate(rawOf(one)));
  return { content: Buffer.from(content.buffer), signer, signedAttributes, certificates };
}

/** The one value of the one attribute of a type. */
function onlyValueOf(attributes: readonly Attribute[], type: string): BaseBlock | undefined {
  const [found, ...more] = attributes.filter(({ attrType }) => attrType === type);
  const [value, ...others] = found?.attrValues ?? [];
  if (value === undefined || more.length > 0 || others.length > 0) return undefined;
  return parseDer(new Uint8Array(value));
}

/** ESSCertID (SHA-1) or ESSCertIDv2 (SHA-256 where it names no hash); the first one is the signer's. */
function isNamedBy(attributes: readonly Attribute[], certificate: X509Certificate): boolean {
  const v2 = onlyValueOf(attributes, signingCertificateV2);
  const named = v2 ?? onlyValueOf(attributes, signingCertificate);
  if (named === undefined) return false;
  const [first, second] = childrenOf(childrenOf(childrenOf(named)[0])[0]);
  const algorithm = first instanceof Sequence ? childrenOf(first)[0] : undefined;
  const hash =
    algorithm instanceof ObjectIdentifier
      ? hashes[algorithm.getValue()]
      : v2 === undefined
        ? "sha1"
        : "sha256";
  const digest = first instanceof OctetString ? first : second;
  if (hash === undefined || !(digest instanceof OctetString)) return false;
  return createHash(hash).update(certificate.raw).digest().equals(Buffer.from(digest.getValue()));
}

function isSigned(content: Buffer, signer: SignerInfo, signedAttributes: Buffer, key: KeyObject): boolean {
  const attributes = signer.signedAttrs ?? [];
  const hash = hashes[signer.digestAlgorithm.algorithm];
  if (hash === undefined || hash === "sha1") return false;
  const type = onlyValueOf(attributes, contentType);
  const digest = onlyValueOf(attributes, messageDigest);
  if (!(type instanceof ObjectIdentifier) || type.getValue() !== id_ct_tstInfo) return false;
  if (!(digest instanceof OctetString)) return false;
  if (!createHash(hash).update(content).digest().equals(Buffer.from(digest.getValue()))) return false;
  if ((key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048) return false;
  const { algorithm } = signer.signatureAlgorithm;
  const isPlain = algorithm === rsaEncryption || algorithm === rsaPss;
  const signedHash = signatures[algorithm] ?? (isPlain ? hash : undefined);
  if (signedHash === undefined) return false;
  const padding = algorithm === rsaPss && { padding: constants.RSA_PKCS1_PSS_PADDING };
  return verify(signedHash, signedAttributes, { key, ...padding }, Buffer.from(signer.signature.buffer));
}

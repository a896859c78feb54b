import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { MessageImprint, PKIStatus, PKIStatusInfo, TimeStampReq } from "@peculiar/asn1-tsp";
import { AlgorithmIdentifier } from "@peculiar/asn1-x509";
import { childrenOf, parseDer, rawOf, readable } from "./der.ts";
import { TimeStampFault } from "./time-stamp-fault.ts";

const sha256 = "2.16.840.1.101.3.4.2.1";

/**
 * A request for a time stamp (RFC 3161, 2.4.1) with the authority's certificates.
 * @param digest SHA-256
 * @param nonce a positive INTEGER: neither its first bit is set nor its first byte 0
 */
export function timeStampRequest(digest: Uint8Array, nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  const messageImprint = new MessageImprint({
    hashAlgorithm: new AlgorithmIdentifier({ algorithm: sha256, parameters: null }),
    hashedMessage: new OctetString(digest),
  });
  const request = new TimeStampReq({ messageImprint, nonce: new Uint8Array(nonce).buffer, certReq: true });
  return new Uint8Array(AsnConvert.serialize(request));
}

/**
 * The token of an answer (RFC 3161, 2.4.2), as it stands there; nothing of it has been checked yet.
 * @throws TimeStampFault
 */
export function grantedToken(answer: Uint8Array): Buffer {
  const [status, token] = readable(() => childrenOf(parseDer(answer)));
  const granted = readable(() => AsnConvert.parse(rawOf(status), PKIStatusInfo).status);
  if (granted !== PKIStatus.granted && granted !== PKIStatus.grantedWithMods) {
    throw new TimeStampFault("TSA_REJECTED");
  }
  return rawOf(token);
}

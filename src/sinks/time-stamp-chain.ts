import type { X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import {
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  id_ce_basicConstraints,
  id_ce_certificatePolicies,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_kp_timeStamping,
  KeyUsage,
} from "@peculiar/asn1-x509";
import { TimeStampFault } from "./time-stamp-fault.ts";

/** Longer chains are refused: what comes from outside is searched no further. */
const longestChain = 6;
const understood = [id_ce_basicConstraints, id_ce_certificatePolicies, id_ce_extKeyUsage, id_ce_keyUsage];

/**
 * Holds the certificate of an authority against RFC 3161, 2.3 and, at the time that it stamped, against the trusted
 * ones. Whether a certificate was revoked is not asked: that takes the authority's list of that time.
 * @param others what the token brings along; none of it is trusted for that
 * @throws TimeStampFault
 */
export function checkAuthority(
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  at: Date,
): void {
  if (!isForTimeStamps(certificate)) throw new TimeStampFault("WRONG_PURPOSE");
  if (!isValid(certificate, at)) throw new TimeStampFault("CERTIFICATE_NOT_VALID");
  const leads = (one: X509Certificate, below: number): boolean => {
    if (!isValid(one, at) || hasUnknownCritical(one)) return false;
    if (anchors.some((anchor) => anchor.raw.equals(one.raw))) return true;
    if (below >= longestChain) return false;
    return [...anchors, ...others].some(
      (issuer) => !issuer.raw.equals(one.raw) && issued(issuer, one, below) && leads(issuer, below + 1),
    );
  };
  if (!leads(certificate, 0)) throw new TimeStampFault("FOREIGN_AUTHORITY");
}

/** @param below how many authorities stand between the issuer and the certificate at the end */
function issued(issuer: X509Certificate, certificate: X509Certificate, below: number): boolean {
  if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return false;
  const constraints = extensionsOf(issuer).find(({ extnID }) => extnID === id_ce_basicConstraints);
  if (constraints === undefined) return true;
  const { pathLenConstraint: most } = AsnConvert.parse(constraints.extnValue, BasicConstraints);
  return most === undefined || below <= most;
}

function isForTimeStamps(certificate: X509Certificate): boolean {
  const extensions = extensionsOf(certificate);
  const purpose = extensions.find(({ extnID }) => extnID === id_ce_extKeyUsage);
  if (!purpose?.critical) return false;
  const purposes = [...AsnConvert.parse(purpose.extnValue, ExtendedKeyUsage)];
  if (purposes.length !== 1 || purposes[0] !== id_kp_timeStamping) return false;
  const usage = extensions.find(({ extnID }) => extnID === id_ce_keyUsage);
  if (usage === undefined) return true;
  const allowed = AsnConvert.parse(usage.extnValue, KeyUsage).toJSON();
  return allowed.includes("digitalSignature") || allowed.includes("nonRepudiation");
}

function hasUnknownCritical(certificate: X509Certificate): boolean {
  return extensionsOf(certificate).some(({ critical, extnID }) => critical && !understood.includes(extnID));
}

function extensionsOf(certificate: X509Certificate) {
  return [...(AsnConvert.parse(certificate.raw, Certificate).tbsCertificate.extensions ?? [])];
}

function isValid({ validFrom, validTo }: X509Certificate, at: Date): boolean {
  return new Date(validFrom) <= at && at <= new Date(validTo);
}

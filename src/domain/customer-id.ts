/**
 * The form under which limits and lockouts count a customer: spellings that people and systems take for one id are one
 * (case, white space, invisible characters, compatibility forms such as full-width digits; Unicode NFKC, UAX #15), so
 * that each spelling does not have attempts of its own.
 * @returns empty where nothing visible is left
 */
export function countedCustomerId(id: string): string {
  return (
    id
      .normalize("NFKC")
      // Upper case first: ß and ss, ς and σ become one.
      .toUpperCase()
      .toLowerCase()
      .replace(/[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}]/gu, "")
      .normalize("NFKC")
  );
}

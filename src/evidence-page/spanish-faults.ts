// The verdict's sentences in Spanish. {} stands for a name or a value and stays as it is, {*} for a phrase of this list.
const sentences: readonly (readonly [english: string, spanish: string])[] = [
  ["the file is not JSON", "el archivo no es JSON"],
  [
    "the file is not spelled as packs are: a member stands twice, or was written otherwise",
    "el archivo no está escrito como un expediente: un dato aparece dos veces o se escribió de otro modo",
  ],
  ["{} does not have the form that {} gives it", "{} no tiene la forma que exige {}"],
  ["a part of the pack cannot be read", "una parte del expediente no se puede leer"],
  ["the pack has two keys {}", "el expediente tiene dos claves {}"],
  [
    "the key {} of the pack is not among the published keys",
    "la clave {} del expediente no está entre las claves publicadas",
  ],
  ["event {} is missing: number {} stands in its place", "falta el evento {}: en su lugar está el número {}"],
  [
    "event {} was changed: its hash is not that of its content and of the event before it",
    "el evento {} fue modificado: su hash no es el de su contenido y del evento anterior",
  ],
  [
    "event {} is missing: the tail was cut, {*} shows that there were more",
    "falta el evento {}: se cortó el final; {*} muestra que había más",
  ],
  ["event {} is missing", "falta el evento {}"],
  [
    "the signature is {}, and no event says so: the end of the timeline was cut off",
    "la firma figura como {} y ningún evento lo dice: se cortó el final de la cronología",
  ],
  ["the status is {}, and event {} is {}", "el estado es {} y el evento {} es {}"],
  ["the seal over the end of the signature is missing", "falta el sello sobre el final de la firma"],
  ["the seal over events {} to {} is missing", "falta el sello sobre los eventos {} a {}"],
  ["the checkpoint of {}, the day of {*}, is missing", "falta el punto de control del {}, el día de {*}"],
  ["{*} has no place in the checkpoint of {}", "{*} no tiene lugar en el punto de control del {}"],
  [
    "{*} does not lead to the checkpoint of {}: a seal of that day was changed, added or removed",
    "{*} no conduce al punto de control del {}: un sello de ese día fue modificado, añadido o eliminado",
  ],
  ["{*} stands twice or out of order", "{*} está repetido o fuera de orden"],
  [
    "{*} names the key {}, which the pack does not have",
    "{*} nombra la clave {}, que el expediente no contiene",
  ],
  ["{*} is over another chain than this one", "{*} corresponde a otra cadena"],
  [
    "the pack was changed after its export: its signature is not that of the key {}",
    "el expediente fue modificado después de su exportación: su firma no es la de la clave {}",
  ],
  [
    "the pack is signed with the key {}, which it does not have",
    "el expediente está firmado con la clave {}, que no contiene",
  ],
  [
    "the transaction was changed: its digest is not the one that was signed",
    "la operación fue modificada: su resumen no es el que se firmó",
  ],
  ["the text of challenge {} was changed", "el texto del desafío {} fue modificado"],
  [
    "provider receipt {} was changed before the export: its proof did not fit",
    "el aviso {} del proveedor fue modificado antes de la exportación: su prueba no encajaba",
  ],
  [
    "{*} was changed: its signature is not that of the key {}",
    "{*} fue modificado: su firma no es la de la clave {}",
  ],
  [
    "the text beside the pack is not the one that was exported with it",
    "el texto adjunto no es el que se exportó con el expediente",
  ],
  ["{*} stands in no event", "{*} no figura en ningún evento"],
  ["{} of {*} is {}, and its events say {}", "{} de {*} es {}, y sus eventos dicen {}"],
  ["the report of {} on {*} is missing", "falta el aviso del {} sobre {*}"],
  [
    "there is a receipt, and no event says that it was completed",
    "hay un recibo y ningún evento dice que la firma se completara",
  ],
  ["the receipt of the completion is missing", "falta el recibo de la firma"],
  ["the receipt needs the key {}, which is not known", "el recibo necesita la clave {}, que no se conoce"],
  [
    "the receipt's header is not that of a receipt under its key",
    "la cabecera del recibo no es la de un recibo con su clave",
  ],
  [
    "the receipt says something else than the events about {}",
    "el recibo dice otra cosa que los eventos sobre {}",
  ],
  [
    "{*}: the key {} was revoked on {}, before it signed",
    "{*}: la clave {} fue revocada el {}, antes de firmar",
  ],
  [
    "{*}: the key {} was not to be used any more from {} on",
    "{*}: la clave {} no debía usarse a partir del {}",
  ],
  ["{*}: the key {} was not in use before {}", "{*}: la clave {} no estaba en uso antes del {}"],
  ["the seal over {} events", "el sello sobre {} eventos"],
  ["the checkpoint of {}", "el punto de control del {}"],
  ["challenge {} is missing", "falta el desafío {}"],
  ["challenge {}", "el desafío {}"],
  ["the receipt", "el recibo"],
  ["the pack", "el expediente"],
  ["the signature", "la firma"],
];

const hole = /\{\*?\}/g;

const patterns = sentences.map(([english, spanish]) => ({
  form: new RegExp(`^${english.replace(hole, "(.*?)")}$`, "s"),
  isPhrase: (english.match(hole) ?? []).map((mark) => mark === "{*}"),
  spanish,
}));

/** Undefined for a sentence that is not in the list. */
export function spanishFault(fault: string): string | undefined {
  for (const { form, isPhrase, spanish } of patterns) {
    const match = form.exec(fault);
    if (match === null) continue;
    const values = match.slice(1).map((value, index) => (isPhrase[index] ? spanishFault(value) : value));
    if (values.some((value) => value === undefined)) continue;
    let next = 0;
    // Holes are filled in the order of the English sentence; the Spanish ones keep it.
    return spanish.replace(hole, () => values[next++] ?? "");
  }
  return undefined;
}

import type { DescriptorProto, EnumDescriptorProto, FileDescriptorProto } from "@bufbuild/protobuf/wkt";

/**
 * The full names of everything that a file declares: messages (those of map entries, too), fields, oneofs, enums and
 * their values, extensions, services and methods.
 */
export function symbolsOf(file: FileDescriptorProto): string[] {
  const scope = file.package;
  return [
    ...file.messageType.flatMap((message) => symbolsOfMessage(scope, message)),
    ...file.enumType.flatMap((type) => symbolsOfEnum(scope, type)),
    ...file.extension.map(({ name }) => within(scope, name)),
    ...file.service.flatMap(({ name, method }) => {
      const service = within(scope, name);
      return [service, ...method.map((one) => within(service, one.name))];
    }),
  ];
}

function symbolsOfMessage(scope: string, message: DescriptorProto): string[] {
  const name = within(scope, message.name);
  const members = [...message.field, ...message.oneofDecl, ...message.extension];
  return [
    name,
    ...members.map((member) => within(name, member.name)),
    ...message.nestedType.flatMap((nested) => symbolsOfMessage(name, nested)),
    ...message.enumType.flatMap((type) => symbolsOfEnum(name, type)),
  ];
}

/** A value stands beside its enum, as in C++; tools also ask for it within, so both are known. */
function symbolsOfEnum(scope: string, { name, value }: EnumDescriptorProto): string[] {
  const type = within(scope, name);
  return [type, ...value.flatMap((one) => [within(scope, one.name), within(type, one.name)])];
}

function within(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// A member name that is known to no one, to list what is in an object.
private struct AnyMember: CodingKey {
  var stringValue: String
  var intValue: Int? { nil }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension Decoder {
  /// A keyed container that has no member beside those of the key type: a typing error in a configuration is an
  /// error and not a default.
  func strictContainer<Key: CodingKey & CaseIterable>(
    keyedBy type: Key.Type
  ) throws -> KeyedDecodingContainer<Key> {
    let known = Key.allCases.map(\.stringValue).sorted()
    for member in try container(keyedBy: AnyMember.self).allKeys where !known.contains(member.stringValue) {
      throw SimulatorError(
        .configuration,
        "unknown member '\(member.stringValue)' at \(path(codingPath)); known are \(known.joined(separator: ", "))"
      )
    }
    return try container(keyedBy: type)
  }
}

/// Decodes JSON and turns the decoder's errors into one sentence that names the place.
func decodeJSON<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(SimulatorError) -> Value {
  do {
    return try JSONDecoder().decode(type, from: Data(bytes))
  } catch let error as SimulatorError {
    throw error
  } catch DecodingError.keyNotFound(let key, let context) {
    throw SimulatorError(.configuration, "the member '\(key.stringValue)' is missing at \(path(context.codingPath))")
  } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
    throw SimulatorError(.configuration, "the member at \(path(context.codingPath)) has the wrong type")
  } catch DecodingError.dataCorrupted(let context) {
    let place = context.codingPath.isEmpty ? "the text is no JSON object" : "bad value at \(path(context.codingPath))"
    throw SimulatorError(.configuration, place)
  } catch {
    throw SimulatorError(.configuration, "the JSON cannot be read")
  }
}

/// A coding path as people write it: instances[1].listeners[0].address.
private func path(_ keys: [any CodingKey]) -> String {
  guard !keys.isEmpty else { return "the top" }
  var text = ""
  for key in keys {
    if let index = key.intValue {
      text += "[\(index)]"
    } else {
      text += (text.isEmpty ? "" : ".") + key.stringValue
    }
  }
  return text
}

/// Encodes a value as one line of JSON with sorted members.
func encodeJSON(_ value: some Encodable) -> [UInt8] {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  // The types encoded here hold strings, numbers and booleans only, which always have a JSON form.
  return (try? encoder.encode(value)).map(Array.init) ?? Array("{}".utf8)
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Everything that is wrong with a request: a validation and a refused commit report all they find together.
public struct DatastoreFailure: Error, Sendable {
  /// Never empty, bounded in number (`Validator.maximumErrors` for a validation).
  public let errors: [DatastoreError]

  public init(_ errors: [DatastoreError]) { self.errors = errors }
  public init(_ error: DatastoreError) { errors = [error] }

  /// What an arbitrary error of an edit becomes: its own errors if it has any, else operation-failed.
  public init(wrapping error: any Error) {
    switch error {
    case let failure as DatastoreFailure: self = failure
    case let error as DatastoreError: self.init(error)
    default: self.init(DatastoreError(.operationFailed, message: String(describing: error)))
    }
  }
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The counters of a profile, since it was created. 32-bit counters wrap.
///
/// At any time: requests total = failed + success + cancelled + in flight; responses total = failed + success; the
/// counters by type add up to the totals.
public struct ProfileStatistics: Sendable, Hashable {
  /// One counter for each type of transaction.
  public struct ByType: Sendable, Hashable {
    public internal(set) var capability: UInt32 = 0
    public internal(set) var key: UInt32 = 0
    public internal(set) var keyWithID: UInt32 = 0
    public internal(set) var entropy: UInt32 = 0

    mutating func count(_ type: TransactionType) {
      switch type {
      case .unknown: break
      case .getCapability: capability &+= 1
      case .getKey: key &+= 1
      case .getKeyWithID: keyWithID &+= 1
      case .getEntropy: entropy &+= 1
      }
    }
  }

  /// Milliseconds from handing a request to the HTTP client to its complete answer, of answers of any status.
  public struct ResponseTimes: Sendable, Hashable {
    public internal(set) var maximum: UInt64 = 0
    public internal(set) var minimum: UInt64 = 0
    public internal(set) var last: UInt64 = 0
    private var sum: UInt64 = 0
    private var count: UInt64 = 0

    public init() {}

    /// The arithmetic mean, rounded down; 0 before the first answer.
    public var average: UInt64 { count == 0 ? 0 : sum / count }

    mutating func record(_ milliseconds: UInt64) {
      maximum = max(maximum, milliseconds)
      minimum = count == 0 ? milliseconds : min(minimum, milliseconds)
      last = milliseconds
      sum &+= milliseconds
      count &+= 1
    }
  }

  /// Requests handed to the HTTP client, each sending counted.
  public internal(set) var requestTotal: UInt32 = 0
  /// Of these, those of which nothing was sent.
  public internal(set) var requestFailed: UInt32 = 0
  /// Of these, those that were sent.
  public internal(set) var requestSuccess: UInt32 = 0
  /// Requests sent whose outcome is known.
  public internal(set) var responseTotal: UInt32 = 0
  /// Of these, those without a complete answer or with a status other than 200.
  public internal(set) var responseFailed: UInt32 = 0
  /// Of these, those answered completely with status 200.
  public internal(set) var responseSuccess: UInt32 = 0
  /// Requests that repeat one that failed.
  public internal(set) var retryCount: UInt32 = 0
  /// Answers that nobody waited for any more.
  public internal(set) var ignoredCount: UInt32 = 0
  /// Requests given up while they were in flight.
  public internal(set) var cancelCount: UInt32 = 0
  /// Answers of status 200 whose content was wrong.
  public internal(set) var validationFailed: UInt32 = 0
  public internal(set) var requests = ByType()
  public internal(set) var responses = ByType()
  public internal(set) var responseTimes = ResponseTimes()
  public internal(set) var lastTransaction = LastTransaction()

  public init() {}

  // MARK: Counting

  mutating func countSent(_ type: TransactionType, isRetry: Bool) {
    requestTotal &+= 1
    requests.count(type)
    if isRetry { retryCount &+= 1 }
  }

  mutating func countResult(_ result: HTTPResult, type: TransactionType, elapsed: Duration) {
    switch result {
    case .response(let status, _):
      requestSuccess &+= 1
      responseTotal &+= 1
      responses.count(type)
      responseTimes.record(elapsed.millisecondsRoundedUp)
      if status == 200 { responseSuccess &+= 1 } else { responseFailed &+= 1 }
    case .failure(let failure) where failure.stage == .noAnswer:
      requestSuccess &+= 1
      responseTotal &+= 1
      responses.count(type)
      responseFailed &+= 1
    case .failure: requestFailed &+= 1
    }
  }
}

/// How the last transaction of a profile ended.
public struct LastTransaction: Sendable, Hashable {
  enum Outcome: Sendable, Hashable {
    case none
    case answered(status: UInt16)
    case invalid(status: UInt16, reason: String)
    case failed(TransportFailure)
    case cancelled
  }

  /// Its number within the profile, from 1; 0 when there was none. Wraps.
  public internal(set) var number: UInt32 = 0
  public internal(set) var type = TransactionType.unknown
  var outcome = Outcome.none

  /// The HTTP client's result, in libcurl's numbers: 0 for a valid answer of status 200, 22 for another status,
  /// 8 for an invalid answer, 42 for a cancelled request.
  public var clientStatus: UInt32 {
    switch outcome {
    case .none, .answered(status: 200): 0
    case .answered: 22
    case .invalid: 8
    case .failed(let failure): UInt32(failure.clientCode)
    case .cancelled: 42
    }
  }

  /// The HTTP status; 0 without an answer.
  public var statusCode: UInt32 {
    switch outcome {
    case .none, .failed, .cancelled: 0
    case .answered(let status), .invalid(let status, _): UInt32(status)
    }
  }

  /// A text for the operator.
  public var statusText: String {
    switch outcome {
    case .none: ""
    case .answered(let status): HTTPStatus.text(status)
    case .invalid(let status, let reason): "\(HTTPStatus.text(status)), invalid answer: \(reason)"
    case .failed(let failure): failure.description
    case .cancelled: "cancelled"
    }
  }
}

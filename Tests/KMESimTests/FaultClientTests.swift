// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

/// Every fault as curl sees it.
@Suite(.serialized) struct FaultClientTests {
  /// curl's exit codes (the manual page's section of that name).
  enum Curl {
    static let unsupportedProtocol: Int32 = 1
    static let connectFailed: Int32 = 7
    static let partialFile: Int32 = 18
    static let timeout: Int32 = 28
    static let tlsFailed: Int32 = 35
    static let nothing: Int32 = 52
    static let receiveFailed: Int32 = 56
  }

  private func lab(_ fault: String) throws -> LiveLab {
    let lab = try LiveLab(.certificate(.none))
    try lab.simulator.add(Fault(parsing: fault))
    return lab
  }

  @Test(arguments: ["refuse", "reset"])
  func aConnectionIsNotTaken(_ fault: String) throws {
    let lab = try lab(fault + ",count=1")
    let refused = try lab.curl("A", "/capabilities")
    #expect([Curl.connectFailed, Curl.tlsFailed, Curl.receiveFailed].contains(refused.status), "\(refused)")
    #expect(try lab.curl("A", "/capabilities").status == 0)
    let statistics = try #require(lab.simulator.statistics["A"])
    #expect(statistics.connections == 2 && statistics.connectionsRefused == 1 && statistics.handshakesCompleted == 1)
  }

  @Test func aHandshakeIsNotAnswered() throws {
    let lab = try lab("silent-handshake,count=1")
    #expect(try lab.curl("A", "/capabilities", ["-m", "1"]).status == Curl.timeout)
    #expect(try lab.curl("A", "/capabilities").status == 0)
    #expect(lab.simulator.statistics["A"]?.handshakesCompleted == 1)
  }

  @Test func anAnswerComesLate() throws {
    let lab = try lab("delay,milliseconds=700,count=2")
    let late = try lab.curl("A", "/capabilities", ["-w", "%{time_total}", "-o", "/dev/null"])
    #expect(late.status == 0 && Double(late.output).map { (0.7..<5).contains($0) } == true, "\(late)")
    #expect(try lab.curl("A", "/capabilities", ["-m", "0.3"]).status == Curl.timeout)
  }

  @Test(arguments: [400, 401, 404, 429, 500, 503])
  func anAnswerIsAnError(_ status: Int) throws {
    let lab = try lab("status,status=\(status),call=entropy,count=1")
    let code = ["-w", "%{http_code}", "-o", "/dev/null"]
    #expect(try lab.curl("A", "/capabilities", code).output == "200")
    #expect(try lab.curl("A", "/entropy", code).output == String(status))
    #expect(try lab.curl("A", "/entropy", code).output == "200")
  }

  @Test func theContentIsWrong() throws {
    let path = "/key?remoteSystemID=Bob"
    let malformed = try lab("malformed-json").curl("A", path)
    #expect(malformed.status == 0 && malformed.output.hasPrefix("{") && object(malformed.output).isEmpty)
    let empty = try lab("empty-body").curl("A", path, ["-w", "%{http_code}"])
    #expect(empty.output == "200")
    #expect(object(try lab("wrong-types").curl("A", path).output)["key"] is Int)
    #expect(object(try lab("missing-member").curl("A", path).output)["keyId"] == nil)
    #expect((object(try lab("wrong-length-key,bits=128").curl("A", path).output)["key"] as? String)?.count == 32)
    #expect((object(try lab("odd-digits").curl("A", path).output)["key"] as? String)?.count == 63)
    #expect((object(try lab("not-hexadecimal").curl("A", path).output)["key"] as? String)?.count == 64)
    let type = try lab("wrong-content-type").curl("A", path, ["-w", "%{content_type}", "-o", "/dev/null"])
    #expect(type.output == "text/html")
    let redirect = try lab("redirect").curl("A", path, ["-w", "%{http_code} %{redirect_url}", "-o", "/dev/null"])
    #expect(redirect.output == "302 https://127.0.0.1:1/capabilities")
  }

  @Test func theKeysOfTheTwoSidesDiffer() throws {
    for (fault, expected) in [("wrong-key", 200), ("wrong-key-id", 400), ("expired-key", 400)] {
      let lab = try lab(fault + ",call=key")
      let made = object(try lab.curl("A", "/key?remoteSystemID=Bob").output)
      let id = try #require(made["keyId"] as? String)
      let fetched = try lab.curl("B", "/key/\(id)?remoteSystemID=Alice", ["-w", "\r\n\r\n%{http_code}"])
      #expect(fetched.output.hasSuffix("\(expected)"), "\(fault): \(fetched)")
      let key = try #require(made["key"] as? String)
      #expect(!fetched.output.contains(key), "\(fault)")
    }
  }

  @Test func aKeyIsFoundExpired() throws {
    let lab = try lab("expired-key,call=key-by-id,instance=B")
    let id = try #require(object(try lab.curl("A", "/key?remoteSystemID=Bob").output)["keyId"] as? String)
    let fetched = try lab.curl("B", "/key/\(id)?remoteSystemID=Alice", ["-w", "%{http_code}", "-o", "/dev/null"])
    #expect(fetched.output == "400")
    #expect(lab.simulator.statistics["B"]?.keysExpired == 1)
  }

  @Test func theAnswerIsTooBig() throws {
    let body = try lab("oversized-body,bytes=3000000").curl(
      "A", "/capabilities", ["-w", "%{size_download}", "-o", "/dev/null"])
    #expect(body.status == 0 && body.output == "3000000")
    let whole = try lab("oversized-body,bytes=100000").curl("A", "/capabilities")
    #expect(object(whole.output)["key"] as? Bool == true, "white space may stand before an object")
    #expect(try lab("oversized-header,bytes=2000000").curl("A", "/capabilities").status != 0)
  }

  // curl takes a header that breaks off for the whole answer, with an empty body.
  @Test(arguments: [
    ("request", [Curl.nothing, Curl.receiveFailed]),
    ("header", [0, Curl.nothing, Curl.receiveFailed, Curl.partialFile]),
    ("body", [Curl.partialFile, Curl.receiveFailed]),
  ])
  func theConnectionIsDropped(_ part: String, _ codes: [Int32]) throws {
    let lab = try lab("drop,part=\(part),count=1")
    let dropped = try lab.curl("A", "/key?remoteSystemID=Bob")
    #expect(codes.contains(dropped.status), "\(dropped)")
    #expect(object(dropped.output).isEmpty)
    #expect(lab.simulator.statistics["A"]?.requests["key"] == 1)
    #expect(lab.simulator.statistics["A"]?.keysMade == (part == "request" ? 0 : 1))
    #expect(try lab.curl("A", "/capabilities").status == 0)
  }

  /// A client that uses the connection again finds it dead and, if it is libcurl, sends the request once more.
  @Test func theConnectionIsDroppedAfterTheAnswer() throws {
    let lab = try lab("drop,part=after-answer,count=1")
    let url = "https://127.0.0.1:\(try lab.port("A"))/entropy"
    let both = try lab.curl("A", "/capabilities", [url, "-o", "/dev/null", "-o", "/dev/null"])
    #expect(both.status == 0, "\(both)")
    #expect(lab.simulator.statistics["A"]?.connections == 2)
  }

  /// A key request on a kept connection that dies without an answer is repeated by libcurl: the statistics show it.
  @Test func aRepeatedRequestIsSeen() throws {
    let lab = try lab("drop,part=request,call=key,count=1")
    let port = try lab.port("A")
    let url = "https://127.0.0.1:\(port)/key?remoteSystemID=Bob"
    let both = try lab.curl("A", "/capabilities", ["-o", "/dev/null", "-o", "/dev/null", url])
    #expect(both.status == 0 || both.status == Curl.nothing)
    let requests = lab.simulator.requests.filter { $0.call == .key }
    #expect(requests.count == lab.simulator.statistics["A"]?.requests["key"])
    #expect(!requests.isEmpty && requests.first?.status == nil, "the first one had no answer")
  }

  @Test func thereIsNoAnswer() throws {
    let lab = try lab("no-answer,call=key,count=1")
    #expect(try lab.curl("A", "/key?remoteSystemID=Bob", ["-m", "1"]).status == Curl.timeout)
    #expect(lab.simulator.statistics["A"]?.keysMade == 0)
    #expect(try lab.curl("A", "/key?remoteSystemID=Bob").status == 0)
  }

  @Test func theAnswerTrickles() throws {
    let slow = try lab("trickle,milliseconds=2").curl("A", "/capabilities", ["-w", "\r\n\r\n%{time_total}"])
    #expect(slow.status == 0 && (Double(slow.output.components(separatedBy: "\r\n\r\n").last ?? "") ?? 0) > 0.4)
    let slower = try lab("trickle,milliseconds=100").curl("A", "/capabilities", ["-m", "1"])
    #expect(slower.status == Curl.timeout)
  }

  @Test func theAnswerIsNoHTTP() throws {
    #expect(try lab("garbage").curl("A", "/capabilities").status == Curl.unsupportedProtocol)
  }

  @Test func theNetworkIsSlowOrDown() throws {
    let slow = try lab("synchronisation-delay,milliseconds=600")
    let id = try #require(object(try slow.curl("A", "/key?remoteSystemID=Bob").output)["keyId"] as? String)
    let code = ["-w", "%{http_code}", "-o", "/dev/null"]
    #expect(try slow.curl("B", "/key/\(id)?remoteSystemID=Alice", code).output == "400")
    Thread.sleep(forTimeInterval: 0.7)
    #expect(try slow.curl("B", "/key/\(id)?remoteSystemID=Alice", code).output == "200")
    #expect(try lab("synchronisation-failure").curl("A", "/key?remoteSystemID=Bob", code).output == "500")
    let lossy = try lab("synchronisation-loss")
    #expect(try lossy.curl("A", "/key?remoteSystemID=Bob", code).output == "200")
    #expect(lossy.simulator.statistics["B"]?.keysHeld == 0)
  }
}

/// The control interface, with curl.
@Suite(.serialized) struct ControlTests {
  @Test func faultsComeAndGoAtRunTime() throws {
    let lab = try LiveLab(.certificate(.none))
    let code = ["-w", "%{http_code}", "-o", "/dev/null"]
    let added = try lab.control("POST", "/faults?kind=status&status=503&call=entropy")
    let id = try #require(object(added.output)["id"] as? Int)
    #expect(try lab.curl("A", "/entropy", code).output == "503")
    #expect(
      try lab.control("GET", "/faults").output == #"[{"call":"entropy","id":1,"kind":"status","status":503}]"# + "\n")
    #expect(try lab.control("DELETE", "/faults/\(id)").status == 0)
    #expect(try lab.curl("A", "/entropy", code).output == "200")
    let json = ["-d", #"{"kind":"drop","part":"body","count":2}"#]
    #expect(object(try lab.control("POST", "/faults", json).output)["id"] as? Int == 2)
    #expect(try lab.curl("A", "/entropy").status == FaultClientTests.Curl.partialFile)
    #expect(try lab.control("DELETE", "/faults").status == 0)
    #expect(try lab.curl("A", "/entropy").status == 0)
  }

  @Test func statisticsAndKeysAreSeen() throws {
    let lab = try LiveLab(.certificate(.none))
    let made = object(try lab.curl("A", "/key?remoteSystemID=Bob").output)
    let id = try #require(made["keyId"] as? String)
    let keys = object(try lab.control("GET", "/keys").output)
    #expect(keys["B"] as? [String] == [id] && keys["A"] as? [String] == [])
    let statistics = object(try lab.control("GET", "/stats").output)
    let a = try #require(statistics["A"] as? [String: Any])
    #expect((a["requests"] as? [String: Int])?["key"] == 1 && a["connections"] as? Int == 1)
    let requests = try lab.control("GET", "/requests").output
    let key = try #require(made["key"] as? String)
    #expect(requests.contains(id) && !requests.contains(key))
    #expect(try lab.control("DELETE", "/keys").status == 0)
    #expect(lab.simulator.statistics["B"]?.keysHeld == 0)
    #expect(try lab.control("DELETE", "/stats").status == 0)
    #expect(lab.simulator.statistics["A"] == Statistics() && lab.simulator.requests.isEmpty)
  }

  @Test(arguments: [
    ("GET", "/nothing", 404), ("PUT", "/stats", 405), ("POST", "/faults", 400), ("POST", "/faults?kind=x", 400),
    ("POST", "/faults?kind=refuse&instance=Z", 400), ("DELETE", "/faults/9", 404), ("DELETE", "/faults/x", 404),
  ])
  func refuses(_ method: String, _ path: String, _ status: Int) throws {
    let lab = try LiveLab(.plain)
    let answer = try lab.control(method, path, ["-w", "%{http_code}", "-o", "/dev/null"])
    #expect(answer.output == String(status))
  }
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Secrets
import Testing
import YANG

@testable import IPsec

/// Every node of the models of IKEv2, IPsec and tunnels that can be configured has an effect, or is refused: none is
/// taken and forgotten (docs/ipsec-mapping.md).
@Suite struct ModelCoverageTests {
  private static let ikev2 = "/Cisco-IOS-XR-um-ikev2-cfg:ikev2"
  private static let peer = "/Cisco-IOS-XR-um-ikev2-cfg:keyrings/keyring/peers/peer"
  private static let ipsec = "/Cisco-IOS-XR-um-ipsec-cfg:ipsec"
  private static let interface = "/Cisco-IOS-XR-um-interface-cfg:interfaces/interface"
  private static let tunnel = interface + "/Cisco-IOS-XR-um-if-tunnel-cfg:tunnel"
  private static let profile = ikev2 + "/profile/ikev2-profile-names/ikev2-profile-name"
  private static let proposal = ikev2 + "/proposal/ikev2-proposal-names/ikev2-proposal-name"
  private static let policy = ikev2 + "/policy/ikev2-policy-names/ikev2-policy-name"

  /// What a change of one node does to the configuration below.
  struct Case: CustomStringConvertible {
    let path: String
    /// Texts of the document, and what takes their places.
    let change: [(String, String)]
    /// The same, before, where the document below has not what the node needs.
    let given: [(String, String)]
    var description: String { path }

    init(_ path: String, _ change: [(String, String)], given: [(String, String)] = []) {
      (self.path, self.change, self.given) = (path, change, given)
    }
    init(_ path: String, _ old: String, _ new: String, given: [(String, String)] = []) {
      self.init(path, [(old, new)], given: given)
    }
  }

  private static let base = written.split(separator: "\n").map { $0.drop { $0 == " " } }.joined()

  private static let written = """
    <keyrings xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-ikev2-cfg"><keyring>
      <ikev2-keyring-name>k1</ikev2-keyring-name><peers><peer><peer-name>far</peer-name>
      <address>10.10.10.1</address><mask>255.255.255.255</mask>
      <pre-shared-key><password>!averylongpresharedkey</password></pre-shared-key>
      <ppk><manual><id>ppk</id><key><password>!alongpostquantumpresharedkeyofaz</password></key></manual></ppk>
      <identity/></peer></peers></keyring></keyrings>
    <ikev2 xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-ikev2-cfg">
      <proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>pr1</ikev2-proposal-name>
        <encryptions><encryption>aes-cbc-256</encryption></encryptions><integrities><integrity>sha-256</integrity>
        </integrities><prfs><prf>sha-256</prf></prfs><dh-groups><dh-group>20</dh-group></dh-groups>
      </ikev2-proposal-name></ikev2-proposal-names></proposal>
      <policy><ikev2-policy-names><ikev2-policy-name><ikev2-policy-name>po1</ikev2-policy-name>
        <match><address><locals><local><address>10.10.10.3</address></local></locals></address><fvrf/></match>
        <proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>pr1</ikev2-proposal-name>
        </ikev2-proposal-name></ikev2-proposal-names></proposal></ikev2-policy-name></ikev2-policy-names></policy>
      <profile><ikev2-profile-names><ikev2-profile-name><ikev2-profile-name>p1</ikev2-profile-name>
        <match><identity><remote><addresses><address><remote-address>10.10.10.1</remote-address>
        <mask>255.255.255.255</mask></address></addresses></remote></identity></match><identity><local/></identity>
        <keyring>k1</keyring><keyring-ppk>k1</keyring-ppk><authentication/></ikev2-profile-name></ikev2-profile-names>
      </profile><global/></ikev2>
    <ipsec xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-ipsec-cfg">
      <transform-sets><transform-set><transform-set-name>ts1</transform-set-name>
        <transform><esp-hmac-sha-256/><esp-256-aes/></transform></transform-set></transform-sets>
      <profiles><profile><profile-name>ip1</profile-name><set><transform-set><transform1>ts1</transform1>
        </transform-set><ikev2-profile>p1</ikev2-profile></set></profile></profiles></ipsec>
    <interfaces xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-interface-cfg"><interface>
      <interface-name>tunnel-ip1</interface-name>
      <tunnel xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-if-tunnel-cfg"><source>
        <ipv4-address>10.10.10.3</ipv4-address></source><destination><ipv4-address>10.10.10.1</ipv4-address>
        </destination><mode><ipsec><ipv4/></ipsec></mode><protection><ipsec><profile>ip1</profile></ipsec></protection>
      </tunnel></interface></interfaces>
    """

  private static let addresses = """
    <addresses><address><remote-address>10.10.10.1</remote-address>\
    <mask>255.255.255.255</mask></address></addresses>
    """
  private static let manual = """
    <manual><id>ppk</id><key><password>!alongpostquantumpresharedkeyofaz</password></key></manual>
    """
  private static let ours = "xmlns=\"urn:agentd:yang:agentd-ipsec\""
  private static let dynamic = [(manual, "<dynamic><sks-profile>kme</sks-profile></dynamic>")]
  private static let buffered = [(manual, "<dynamic><sks-profile>kme</sks-profile>\(lifetime)</dynamic>")]
  private static let lifetime = """
    <key-lifetime \(ours)><refresh-interval>600</refresh-interval><maximum-age>900</maximum-age>\
    <alarm-threshold>70</alarm-threshold><buffer><size>4</size><maximum-age>60</maximum-age>\
    <alarm-below>2</alarm-below></buffer></key-lifetime>
    """
  private static let psk = "<password>!averylongpresharedkey</password>"
  private static let separate = [(psk, "<local>!averylonglocalkeyaa</local><remote>!averylongremotekeya</remote>")]
  private static let separate6 = [(psk, "<local6>!averylonglocalkeyaa</local6><remote6>!averylongremotekeya</remote6>")]
  private static let esp = "<esp-hmac-sha-256/><esp-256-aes/>"
  private static let first = "<transform1>ts1</transform1></transform-set>"

  private static func transforms(_ number: Int) -> String {
    (1...number).map { "<transform\($0)>ts1</transform\($0)>" }.joined() + "</transform-set>"
  }

  /// One for each node. What is to happen is the same for all: something that charon, the key service or the operator
  /// gets to see is different.
  static let cases: [Case] = [
    Case(proposal + "/ikev2-proposal-name", "pr1</ikev2-proposal-name><enc", "pr9</ikev2-proposal-name><enc"),
    Case(proposal + "/encryptions/encryption", "aes-cbc-256", "aes-gcm-256"),
    Case(proposal + "/integrities/integrity", "<integrity>sha-256<", "<integrity>sha-512<"),
    Case(proposal + "/prfs/prf", "<prf>sha-256<", "<prf>sha-512<"),
    Case(proposal + "/dh-groups/dh-group", "<dh-group>20<", "<dh-group>19<"),
    Case(policy + "/ikev2-policy-name", ">po1<", ">po3<", given: [(endOfPolicy, secondPolicy)]),
    Case(
      policy + "/proposal/ikev2-proposal-names/ikev2-proposal-name/ikev2-proposal-name",
      "pr1</ikev2-proposal-name></", "pr9</ikev2-proposal-name></"),
    Case(policy + "/match/address/locals/local/address", "<address>10.10.10.3<", "<address>10.10.10.9<"),
    Case(
      policy + "/match/fvrf/vrfs/vrf/vrf-name", "<fvrf/>",
      "<fvrf><vrfs><vrf><vrf-name>red</vrf-name></vrf></vrfs></fvrf>"),
    Case(profile + "/ikev2-profile-name", "p1</ikev2-profile-name>", "p9</ikev2-profile-name>"),
    Case(
      profile + "/match/identity/remote/addresses/address/remote-address", "<remote-address>10.10.10.1<",
      "<remote-address>10.10.10.2<"),
    Case(
      profile + "/match/identity/remote/addresses/address/mask", "10.10.10.1</remote-address><mask>255.255.255.255",
      "10.10.10.0</remote-address><mask>255.255.255.0", given: responder),
    Case(profile + "/match/identity/remote/any", addresses, "<any/>"),
    Case(
      profile + "/match/identity/remote/fqdn/fqdns/fqdn-name", "</addresses>",
      "</addresses><fqdn><fqdns><fqdn-name>far.example.com</fqdn-name></fqdns></fqdn>"),
    Case(
      profile + "/match/identity/remote/fqdn-domain/fqdn-domains/fqdn-domain-name", "</addresses>",
      "</addresses><fqdn-domain><fqdn-domains><fqdn-domain-name>example.com</fqdn-domain-name></fqdn-domains></fqdn-domain>"
    ),
    Case(
      profile + "/match/fvrf/vrf-name", "</identity></match>",
      "</identity><fvrf><vrf-name>red</vrf-name></fvrf></match>"),
    Case(profile + "/identity/local/address", "<local/>", "<local><address>10.10.10.9</address></local>"),
    Case(profile + "/identity/local/fqdn", "<local/>", "<local><fqdn>near.example.com</fqdn></local>"),
    Case(profile + "/lifetime", "<keyring>k1", "<lifetime>600</lifetime><keyring>k1"),
    Case(profile + "/keyring", "<keyring>k1</keyring><", "<keyring>k9</keyring><"),
    Case(profile + "/keyring-ppk", "<keyring-ppk>k1</keyring-ppk>", ""),
    Case(
      profile + "/pki/trustpoints/trustpoint/trustpoint-name", "<authentication/>",
      "<pki><trustpoints><trustpoint><trustpoint-name>tp</trustpoint-name></trustpoint></trustpoints></pki>"),
    Case(
      profile + "/authentication/local/rsa-signature", "<authentication/>",
      "<authentication><local><rsa-signature/></local></authentication>"),
    Case(
      profile + "/authentication/remote/pre-shared", "<remote/></auth", "<remote><pre-shared/></remote></auth",
      given: [
        ("<authentication/>", "<authentication><local><rsa-signature/></local><remote/></authentication>"),
        ("<keyring>k1</keyring>", ""),
      ]),
    Case(
      profile + "/authentication/remote/rsa-signature", "<authentication/>",
      "<authentication><remote><rsa-signature/></remote></authentication>"),
    Case(ikev2 + "/fips-mode", "<global/>", "<fips-mode/><global/>", given: [("averylongpresharedkey", "short")]),
    Case(
      ikev2 + "/global/dpd", "<dpd>10<", "<dpd>20<",
      given: [("<global/>", "<global><dpd>10</dpd><dpd-retry-interval>2</dpd-retry-interval></global>")]),
    Case(
      ikev2 + "/global/dpd-retry-interval", "val>2<", "val>3<",
      given: [("<global/>", "<global><dpd>10</dpd><dpd-retry-interval>2</dpd-retry-interval></global>")]),
    Case(ikev2 + "/global/retransmission", "<global/>", "<global><retransmission>3</retransmission></global>"),
    Case(
      ikev2 + "/agentd-ipsec:reference-check", "<global/>", "<global/><reference-check \(ours)>warn</reference-check>",
      given: [("<transform1>ts1", "<transform1>ts9")]),
    Case(
      "/Cisco-IOS-XR-um-ikev2-cfg:keyrings/keyring/ikev2-keyring-name", "k1</ikev2-keyring-name>",
      "k9</ikev2-keyring-name>"),
    Case(peer + "/peer-name", "<peer-name>far<", "<peer-name>other<"),
    Case(peer + "/address", "name><address>10.10.10.1<", "name><address>10.10.10.9<"),
    Case(
      peer + "/mask", "<address>10.10.10.1</address><mask>255.255.255.255",
      "<address>10.10.10.1</address><mask>255.0.255.0"),
    Case(peer + "/pre-shared-key/password", "averylongpresharedkey", "anotherlongpresharedkey"),
    Case(
      peer + "/pre-shared-key/password6", "averylongpresharedkey", "anotherlongpresharedkey",
      given: [(psk, "<password6>!averylongpresharedkey</password6>")]),
    Case(peer + "/pre-shared-key/local", "averylonglocalkeyaa", "averylonglocalkeybb", given: separate),
    Case(peer + "/pre-shared-key/remote", "averylongremotekeya", "averylongremotekeyb", given: separate),
    Case(peer + "/pre-shared-key/local6", "averylonglocalkeyaa", "averylonglocalkeybb", given: separate6),
    Case(peer + "/pre-shared-key/remote6", "averylongremotekeya", "averylongremotekeyb", given: separate6),
    Case(peer + "/ppk/manual/id", "<id>ppk<", "<id>another<"),
    Case(peer + "/ppk/manual/key/password", "alongpostquantumpresharedkeyofaz", "alongpostquantumpresharedkeyofby"),
    Case(
      peer + "/ppk/manual/key/password6", "alongpostquantumpresharedkeyofaz", "alongpostquantumpresharedkeyofby",
      given: [
        (
          "<key><password>!alongpostquantumpresharedkeyofaz</password>",
          "<key><password6>!alongpostquantumpresharedkeyofaz</password6>"
        )
      ]),
    Case(peer + "/ppk/manual/required", "</key></manual>", "</key><required/></manual>"),
    Case(peer + "/ppk/dynamic/sks-profile", "<sks-profile>kme<", "<sks-profile>other<", given: dynamic),
    Case(peer + "/ppk/dynamic/required", "</sks-profile>", "</sks-profile><required/>", given: dynamic),
    Case(
      peer + "/ppk/dynamic/agentd-ipsec:remote-system-id", "</sks-profile>",
      "</sks-profile><remote-system-id \(ours)>Bob</remote-system-id>", given: dynamic),
    Case(
      peer + "/ppk/dynamic/agentd-ipsec:key-lifetime/refresh-interval", "<refresh-interval>600",
      "<refresh-interval>700",
      given: buffered),
    Case(
      peer + "/ppk/dynamic/agentd-ipsec:key-lifetime/maximum-age", "<maximum-age>900", "<maximum-age>950",
      given: buffered),
    Case(
      peer + "/ppk/dynamic/agentd-ipsec:key-lifetime/alarm-threshold", "<alarm-threshold>70", "<alarm-threshold>75",
      given: buffered),
    Case(peer + "/ppk/dynamic/agentd-ipsec:key-lifetime/buffer/size", "<size>4", "<size>5", given: buffered),
    Case(
      peer + "/ppk/dynamic/agentd-ipsec:key-lifetime/buffer/maximum-age", "<maximum-age>60", "<maximum-age>70",
      given: buffered),
    Case(
      peer + "/ppk/dynamic/agentd-ipsec:key-lifetime/buffer/alarm-below", "<alarm-below>2", "<alarm-below>3",
      given: buffered),
    Case(
      peer + "/identity/address", "<identity/>", "<identity><address>10.10.10.7</address></identity>", given: anyPeer),
    Case(peer + "/identity/fqdn", "<identity/>", "<identity><fqdn>far.example.com</fqdn></identity>", given: anyPeer),
    Case(
      peer + "/identity/fqdn-domain", "<identity/>", "<identity><fqdn-domain>example.com</fqdn-domain></identity>",
      given: anyPeer),
    Case(
      ipsec + "/transform-sets/transform-set/transform-set-name", "ts1</transform-set-name>", "ts9</transform-set-name>"
    ),
    Case(ipsec + "/transform-sets/transform-set/transform/esp-hmac-sha1", "<esp-hmac-sha-256/>", "<esp-hmac-sha1/>"),
    Case(ipsec + "/transform-sets/transform-set/transform/esp-hmac-sha-256", "<esp-hmac-sha-256/>", ""),
    Case(
      ipsec + "/transform-sets/transform-set/transform/esp-hmac-sha-384", "<esp-hmac-sha-256/>", "<esp-hmac-sha-384/>"),
    Case(
      ipsec + "/transform-sets/transform-set/transform/esp-hmac-sha-512", "<esp-hmac-sha-256/>", "<esp-hmac-sha-512/>"),
    Case(ipsec + "/transform-sets/transform-set/transform/esp-aes", "<esp-256-aes/>", "<esp-aes/>"),
    Case(ipsec + "/transform-sets/transform-set/transform/esp-192-aes", "<esp-256-aes/>", "<esp-192-aes/>"),
    Case(ipsec + "/transform-sets/transform-set/transform/esp-256-aes", "<esp-256-aes/>", ""),
    Case(ipsec + "/profiles/profile/profile-name", "ip1</profile-name>", "ip9</profile-name>"),
    Case(
      ipsec + "/profiles/profile/set/pfs/group19", "</ikev2-profile></set>",
      "</ikev2-profile><pfs><group19/></pfs></set>"),
    Case(
      ipsec + "/profiles/profile/set/pfs/group20", "</ikev2-profile></set>",
      "</ikev2-profile><pfs><group20/></pfs></set>"),
    Case(
      ipsec + "/profiles/profile/set/pfs/group21", "</ikev2-profile></set>",
      "</ikev2-profile><pfs><group21/></pfs></set>"),
    Case(ipsec + "/profiles/profile/set/transform-set/transform1", "<transform1>ts1", "<transform1>ts9"),
    Case(ipsec + "/profiles/profile/set/transform-set/transform2", first, transforms(2)),
    Case(ipsec + "/profiles/profile/set/transform-set/transform3", first, transforms(3)),
    Case(ipsec + "/profiles/profile/set/transform-set/transform4", first, transforms(4)),
    Case(ipsec + "/profiles/profile/set/transform-set/transform5", first, transforms(5)),
    Case(ipsec + "/profiles/profile/set/ikev2-profile", "<ikev2-profile>p1", "<ikev2-profile>p9"),
    Case(
      ipsec + "/profiles/profile/set/security-association/lifetime/seconds", "</ikev2-profile></set>",
      "</ikev2-profile><security-association><lifetime><seconds>600</seconds></lifetime></security-association></set>"),
    Case(
      ipsec + "/profiles/profile/set/responder-only", "</ikev2-profile></set>",
      "</ikev2-profile><responder-only/></set>"),
    Case(
      ipsec + "/profiles/profile/set/reverse-route", "</ikev2-profile></set>", "</ikev2-profile><reverse-route/></set>"),
    Case(
      tunnel + "/source/interface-name", "<ipv4-address>10.10.10.3</ipv4-address></source>",
      "<interface-name>GigabitEthernet0/0/0/0</interface-name></source>"),
    Case(tunnel + "/source/ipv4-address", "10.10.10.3</ipv4-address></source>", "10.10.10.9</ipv4-address></source>"),
    Case(
      tunnel + "/destination/ipv4-address", "<destination><ipv4-address>10.10.10.1",
      "<destination><ipv4-address>10.10.10.9"),
    Case(tunnel + "/mode/ipsec/ipv4", "<ipsec><ipv4/></ipsec>", ""),
    Case(tunnel + "/protection/ipsec/profile", "<profile>ip1</profile></ipsec>", "</ipsec>"),
    Case(
      interface + "/shutdown", "<interface-name>tunnel-ip1</interface-name>",
      "<interface-name>tunnel-ip1</interface-name><shutdown/>"),
  ]

  private static let endOfPolicy = "</ikev2-policy-name></ikev2-policy-names>"
  private static let secondPolicy = """
    </ikev2-policy-name><ikev2-policy-name><ikev2-policy-name>po2</ikev2-policy-name>\
    <match><address><locals><local><address>10.10.10.3</address></local></locals></address></match>\
    </ikev2-policy-name></ikev2-policy-names>
    """
  private static let responder = [("</ikev2-profile></set>", "</ikev2-profile><responder-only/></set>")]
  private static let anyPeer = [(addresses, "<any/>")]

  /// Nodes that say what is so anyway, and cannot be said otherwise.
  static let statements: Set<String> = [
    // The only mode that there is.
    ipsec + "/transform-sets/transform-set/mode/tunnel",
    // Every tunnel is in the default VRF, which any one is, as is what the absence of the leaf means.
    policy + "/match/fvrf/any", profile + "/match/fvrf/any",
    // What is meant when neither is there.
    profile + "/authentication/local/pre-shared",
  ]

  /// Nodes of the tunnel's model that nobody carries out: configuring them is refused.
  static let refused: Set<String> = Set(
    [
      "/source/ipv6-address", "/destination/prefix-list", "/destination/length", "/destination/ipv6-address",
      "/bfd/destination/ipv4-address", "/bfd/destination/ipv6-address", "/bfd/period", "/bfd/retry",
      "/bfd/minimum-interval", "/bfd/multiplier", "/tos", "/ttl/disable", "/ttl/ttl-value", "/dfbit/disable",
      "/protection/ipsec/policy/ipv4", "/protection/ipsec/policy/single-sa",
    ].map { tunnel + $0 }
  ).union(["/keepalive-period", "/retries"].map { interface + "/Cisco-IOS-XR-um-if-tunnel-cfg:keepalive" + $0 })

  /// The nodes that carry a value or a statement.
  private var nodes: [String] {
    var found: [String] = []
    func visit(_ node: SchemaNode) {
      let children = node.dataChildren.filter(\.isConfig)
      if children.isEmpty { found.append(node.path) }
      children.forEach(visit)
    }
    for root in [
      Self.ikev2, "/Cisco-IOS-XR-um-ikev2-cfg:keyrings", Self.ipsec, Self.tunnel,
      Self.interface + "/Cisco-IOS-XR-um-if-tunnel-cfg:keepalive",
    ] {
      if let node = productSchema.node(at: root) { visit(node) }
    }
    return found
  }

  @Test func everyNodeIsListed() {
    let listed = Self.cases.map(\.path).filter { $0 != Self.interface + "/shutdown" }
    let all = Set(listed).union(Self.statements).union(Self.refused)
    for path in nodes { #expect(all.contains(path), "\(path) is in the models and not in this table") }
    for path in all { #expect(nodes.contains(path), "\(path) is in this table and not in the models") }
    #expect(Set(listed).count == listed.count, "a node is listed twice")
    #expect(Set(listed).isDisjoint(with: Self.statements.union(Self.refused)))
  }

  @Test func whatIsRefusedNobodySubscribesTo() {
    for path in Self.refused {
      let isServed = ConfigurationTable.subscriptions.contains { path == $0 || path.hasPrefix($0 + "/") }
      #expect(!isServed, "\(path) would be taken and have no effect")
    }
  }

  /// All that anybody gets to see of a configuration.
  private struct Outcome: Equatable {
    var mapping: IPsecMapping
    var refusals: [Correction]
    var global: IKEv2Global
    var keyClients: [String: String]
  }

  private func outcome(_ document: String, _ sealer: Sealer) throws -> Outcome {
    let read = try InstanceDocument.read(
      Array(document.utf8), .xml, .config, reader: ValueReader(schema: productSchema, sealer: sealer))
    guard case .tree(let root) = read.content else { throw CharonError(.system, "no tree") }
    var table = ConfigurationTable()
    try table.take(
      ChangeSet(
        subscriptions: ConfigurationTable.subscriptions, from: InteriorNode(schema: productSchema.root), to: root,
        schema: productSchema))
    var configuration = table.configuration { _ in nil }
    configuration.sksProfiles = ["kme", "other"]
    let mapping = IPsecMapping(configuration, dataPlane: .kernel)
    return Outcome(
      mapping: mapping, refusals: mapping.refusals(table.referenceCheck), global: configuration.global,
      keyClients: table.keyClients)
  }

  private static func applying(_ changes: [(String, String)], to text: String) throws -> String {
    var text = text
    for (old, new) in changes {
      let place = try #require(text.firstRange(of: old), "the document has no \(old)")
      text.replaceSubrange(place, with: new)
    }
    return text
  }

  @Test(arguments: cases) func aNodeHasAnEffect(_ one: Case) throws {
    let sealer = try Sealer(MasterKey())
    let before = try Self.applying(one.given, to: Self.base)
    let after = try Self.applying(one.change, to: before)
    #expect(try outcome(before, sealer) == outcome(before, sealer), "the same is the same")
    #expect(try outcome(before, sealer) != outcome(after, sealer), "\(one.path) has no effect")
  }

  @Test func theDocumentItselfIsAWholeTunnel() throws {
    let outcome = try outcome(Self.base, try Sealer(MasterKey()))
    #expect(outcome.refusals.isEmpty, "\(outcome.refusals)")
    #expect(outcome.mapping.desired.connections.count == 1)
  }
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The text of an edit that configures tunnels, each with a keyring, profiles and a transform set of its own. The far ends
/// begin; the first tunnel has a dynamic PPK.
struct TunnelText {
  private static let cisco = "http://cisco.com/ns/yang/Cisco-IOS-XR"

  static func whole(tunnels: Int) -> [UInt8] {
    let numbers = 1...tunnels
    return Array(
      """
      <sks-server xmlns="\(cisco)-um-sks-server-cfg"><profiles><profile><profile-name>kme</profile-name><type><remote><kme>\
      <server><ipv4>192.0.2.34</ipv4><port>10001</port></server></kme></remote></type></profile></profiles></sks-server>\
      <keyrings xmlns="\(cisco)-um-ikev2-cfg">\(numbers.map { keyring($0) }.joined())</keyrings>\
      <ikev2 xmlns="\(cisco)-um-ikev2-cfg"><profile><ikev2-profile-names>\(numbers.map { profile($0) }.joined())\
      </ikev2-profile-names></profile></ikev2>\
      <ipsec xmlns="\(cisco)-um-ipsec-cfg"><transform-sets>\(numbers.map { transformSet($0) }.joined())</transform-sets>\
      <profiles>\(numbers.map { ipsecProfile($0) }.joined())</profiles></ipsec>\
      <interfaces xmlns="\(cisco)-um-interface-cfg">\(numbers.map { interface($0) }.joined())</interfaces>
      """.utf8)
  }

  /// Another lifetime of the SAs of one tunnel.
  static func change(tunnel: Int, lifetime: Int) -> [UInt8] {
    Array(
      """
      <ipsec xmlns="\(cisco)-um-ipsec-cfg"><profiles><profile><profile-name>ip\(tunnel)</profile-name><set>\
      <security-association><lifetime><seconds>\(lifetime)</seconds></lifetime></security-association></set></profile>\
      </profiles></ipsec>
      """.utf8)
  }

  private static func far(_ tunnel: Int) -> String { "10.\(tunnel >> 16 & 255).\(tunnel >> 8 & 255).\(tunnel & 255)" }

  private static func keyring(_ tunnel: Int) -> String {
    """
    <keyring><ikev2-keyring-name>k\(tunnel)</ikev2-keyring-name><peers><peer><peer-name>far</peer-name>\
    <address>\(far(tunnel))</address><mask>255.255.255.255</mask><pre-shared-key><password>!keyoftunnel\(tunnel)alone\
    </password></pre-shared-key>\(tunnel == 1 ? "<ppk><dynamic><sks-profile>kme</sks-profile></dynamic></ppk>" : "")\
    </peer></peers></keyring>
    """
  }

  private static func profile(_ tunnel: Int) -> String {
    """
    <ikev2-profile-name><ikev2-profile-name>p\(tunnel)</ikev2-profile-name><match><identity><remote><addresses><address>\
    <remote-address>\(far(tunnel))</remote-address><mask>255.255.255.255</mask></address></addresses></remote></identity>\
    </match><keyring>k\(tunnel)</keyring>\(tunnel == 1 ? "<keyring-ppk>k1</keyring-ppk>" : "")</ikev2-profile-name>
    """
  }

  private static func transformSet(_ tunnel: Int) -> String {
    """
    <transform-set><transform-set-name>ts\(tunnel)</transform-set-name><transform><esp-hmac-sha-256/><esp-256-aes/>\
    </transform><mode><tunnel/></mode></transform-set>
    """
  }

  private static func ipsecProfile(_ tunnel: Int) -> String {
    """
    <profile><profile-name>ip\(tunnel)</profile-name><set><transform-set><transform1>ts\(tunnel)</transform1>\
    </transform-set><ikev2-profile>p\(tunnel)</ikev2-profile><responder-only/></set></profile>
    """
  }

  private static func interface(_ tunnel: Int) -> String {
    """
    <interface><interface-name>tunnel-ip\(tunnel)</interface-name><tunnel xmlns="\(cisco)-um-if-tunnel-cfg"><source>\
    <ipv4-address>192.0.2.1</ipv4-address></source><destination><ipv4-address>\(far(tunnel))</ipv4-address></destination>\
    <mode><ipsec><ipv4/></ipsec></mode><protection><ipsec><profile>ip\(tunnel)</profile></ipsec></protection></tunnel>\
    </interface>
    """
  }
}

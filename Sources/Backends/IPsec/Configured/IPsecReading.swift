// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models

// From the generated types of Cisco-IOS-XR-um-ipsec-cfg, -um-crypto-cfg and -um-if-tunnel-cfg.

typealias TransformSetModel = Models.IPsec.TransformSets.TransformSet
typealias IPsecProfileModel = Models.IPsec.Profiles.Profile
typealias TrustpointModel = Crypto.CA.Trustpoint.Trustpoints.Trustpoint
typealias TunnelModel = Interface.Interfaces.Interface.Tunnel

extension TransformSet {
  init(_ model: TransformSetModel) {
    self.init(name: model.transformSetName)
    guard let transform = model.transform else { return }
    encryption =
      transform.esp256AES != nil
      ? .aes256 : transform.esp192AES != nil ? .aes192 : transform.espAES != nil ? .aes128 : nil
    integrity =
      transform.espHMACSHA512 != nil
      ? .sha512
      : transform.espHMACSHA384 != nil
        ? .sha384 : transform.espHMACSHA256 != nil ? .sha256 : transform.espHMACSha1 != nil ? .sha1 : nil
  }
}

extension IPsecProfile {
  init(_ model: IPsecProfileModel) {
    self.init(name: model.profileName)
    let set = model.set
    pfs =
      set.pfs.group21 != nil
      ? .ecp521 : set.pfs.group20 != nil ? .ecp384 : set.pfs.group19 != nil ? .ecp256 : nil
    let names = set.transformSet
    transformSets = [names.transform1, names.transform2, names.transform3, names.transform4, names.transform5]
      .compactMap { $0 }
    ikev2Profile = set.ikev2Profile
    lifetime = set.securityAssociation.lifetime.seconds.map { Int($0) }
    isResponderOnly = set.responderOnly != nil
    addsReverseRoute = set.reverseRoute != nil
  }
}

extension Trustpoint {
  init(_ model: TrustpointModel) {
    self.init(name: model.trustpointName)
    authorities = Self.certificates(model.caCertificates ?? "")
    let chain = Self.certificates(model.certificate ?? "")
    certificate = chain.first
    intermediates = Array(chain.dropFirst())
    key = model.privateKey
    keyIdentifier = certificate.flatMap { Self.keyIdentifier(ofCertificate: $0) }
  }

  /// The certificates of a PEM text one by one, as charon wants them; what stands between them is left out.
  static func certificates(_ text: String) -> [[UInt8]] {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    var found: [[UInt8]] = []
    var current: [Substring]?
    for line in text.split(whereSeparator: \.isNewline) {
      if line.hasPrefix(begin) { current = [] }
      current?.append(line)
      if line.hasPrefix(end), let lines = current {
        found.append(Array((lines.joined(separator: "\n") + "\n").utf8))
        current = nil
      }
    }
    return found
  }
}

extension TunnelInterface {
  /// - Parameter address: the IPv4 address that an interface has now.
  init(name: String, _ model: TunnelModel, isShutdown: Bool, address: (String) -> IPv4Address?) {
    self.init(name: name)
    if let text = model.source.ipv4Address, let address = IPv4Address(text) {
      source = .address(address)
    } else if let interface = model.source.interfaceName {
      source = .interface(interface, address(interface))
    }
    destination = model.destination.ipv4Address.flatMap { IPv4Address($0) }
    profile = model.protection.ipsec.profile
    self.isShutdown = isShutdown
    isInIPsecMode = model.mode.ipsec.ipv4 != nil
    interfaceID = Self.interfaceID(name)
  }

  /// The number that the SAs of a tunnel and its XFRM interface share: that of the tunnel, as operators see it, or, since
  /// the kernel takes 0 for none, the highest one for tunnel 0.
  ///
  /// - Returns: nil when the name is not `tunnel-ip` with a number of its own.
  static func interfaceID(_ name: String) -> UInt32? {
    guard name.hasPrefix("tunnel-ip") else { return nil }
    let digits = name.dropFirst("tunnel-ip".count)
    guard let number = UInt32(digits), String(number) == digits, number < .max else { return nil }
    return number == 0 ? .max : number
  }
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What a SecY holds: what a KaY finds when it takes the SecY over. Keys cannot be read back, only their identifiers.
public struct SecYState: Sendable, Hashable {
  /// A secure association that is installed.
  public struct Association: Sendable, Hashable {
    public var number: AssociationNumber
    /// Nil when it was installed by somebody who names keys in another way.
    public var key: SAKIdentifier?
    /// Of a transmit association: it is the one in use. Of a receive association: frames are taken with it.
    public var isInUse: Bool
    /// The next to be sent, or the lowest that is expected.
    public var nextPN: UInt64

    public init(number: AssociationNumber, key: SAKIdentifier?, isInUse: Bool, nextPN: UInt64) {
      self.number = number
      self.key = key
      self.isInUse = isInUse
      self.nextPN = nextPN
    }
  }

  /// The settings; nil when the controlled port is not there.
  public var configuration: SecYConfiguration?
  public var status: PortStatus
  /// By number.
  public var transmit: [Association]
  /// The receive channels, and their associations by number.
  public var receive: [SCI: [Association]]

  public init(
    configuration: SecYConfiguration? = nil, status: PortStatus = .blocked, transmit: [Association] = [],
    receive: [SCI: [Association]] = [:]
  ) {
    self.configuration = configuration
    self.status = status
    self.transmit = transmit
    self.receive = receive
  }
}

extension SecYState {
  /// Whether no association is installed, and no channel.
  public var isEmpty: Bool { transmit.isEmpty && receive.isEmpty }

  /// The commands that empty it, for who cannot go on with what is installed.
  public var removals: [SecYCommand] {
    let transmit = transmit.compactMap { association in
      association.key.map { SecYCommand.removeTransmitAssociation(association.number, $0) }
    }
    let receive = receive.sorted { $0.key < $1.key }.flatMap { sci, associations in
      associations.compactMap { association in
        association.key.map { SecYCommand.removeReceiveAssociation(sci, association.number, $0) }
      } + [.removeReceiveChannel(sci)]
    }
    return [.setPort(.blocked)] + transmit + receive
  }
}

extension SAKIdentifier {
  /// From the 16 octets that name the key to a SecY; nil for another length.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == MemberIdentifier.length + 4,
      let keyServer = MemberIdentifier(bytes.prefix(MemberIdentifier.length))
    else { return nil }
    self.init(
      keyServer: keyServer, number: bytes.dropFirst(MemberIdentifier.length).reduce(0) { $0 << 8 | UInt32($1) })
  }
}

/// What passes a port in clear beside MKA, when it is otherwise secured.
public struct ClearExceptions: Sendable, Hashable {
  /// LLDP, EtherType 0x88CC.
  public var lldp: Bool
  /// LACP and the other slow protocols, EtherType 0x8809.
  public var slowProtocols: Bool
  /// Pause and other MAC control, EtherType 0x8808.
  public var pause: Bool
  /// How many VLAN tags stand before the SecTAG in clear, 0 to 2. What follows them is still protected.
  public var vlanTags: Int

  public init(lldp: Bool = false, slowProtocols: Bool = false, pause: Bool = false, vlanTags: Int = 0) {
    self.lldp = lldp
    self.slowProtocols = slowProtocols
    self.pause = pause
    self.vlanTags = vlanTags
  }

  /// The EtherTypes that pass in clear.
  public var etherTypes: [UInt16] {
    (lldp ? [0x88CC] : []) + (slowProtocols ? [0x8809] : []) + (pause ? [0x8808] : [])
  }
}

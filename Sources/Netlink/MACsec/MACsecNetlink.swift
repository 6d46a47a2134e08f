// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Synchronization

/// The kernel's MACsec, in the network namespace of the thread that makes this object. All changes need CAP_NET_ADMIN
/// there. Each call is a request that the kernel has carried out, or refused with its reason, when the call returns.
public final class MACsecNetlink: Sendable {
  private struct Sockets: ~Copyable {
    var generic: NetlinkSocket
    var route: NetlinkSocket
    var devices: [UInt32: MACsecDevice]?
    var read: ContinuousClock.Instant
  }

  private let family: UInt16
  private let sockets: Mutex<Sockets>

  /// Nil when the kernel has no MACsec.
  public init?() throws(NetlinkError) {
    var generic = try NetlinkSocket(.generic)
    guard let family = try GenericNetlink.family(named: MACsecMessages.familyName, &generic) else { return nil }
    self.family = family
    sockets = Mutex(
      Sockets(generic: generic, route: try NetlinkSocket(.route), devices: nil, read: ContinuousClock.now))
  }

  // MARK: Reading

  /// All MACsec devices of the namespace by index, as they were no longer ago than that.
  public func devices(maximumAge: Duration = .zero) throws(NetlinkError) -> [UInt32: MACsecDevice] {
    let family = family
    return try sockets.withLock { (sockets) throws(NetlinkError) in
      let now = ContinuousClock.now
      if let devices = sockets.devices, now - sockets.read < maximumAge { return devices }
      var devices: [UInt32: MACsecDevice] = [:]
      for message in try sockets.generic.exchange({ (sequence) throws(NetlinkError) in
        MACsecMessages.getDevices(family: family, sequence: sequence)
      }) where message.type == family {
        let device = try MACsecMessages.device(message)
        devices[device.index] = device
      }
      sockets.devices = devices
      sockets.read = now
      return devices
    }
  }

  // MARK: Devices

  /// Makes a device, which is down. Refused with EEXIST when there is a link of that name, with EBUSY when the parent
  /// has a device with that SCI.
  public func add(_ device: NewMACsecDevice) throws(NetlinkError) {
    try route { (sequence) throws(NetlinkError) in try MACsecMessages.newDevice(device, sequence: sequence) }
  }

  public func change(_ device: UInt32, _ settings: MACsecSettings) throws(NetlinkError) {
    try route { (sequence) throws(NetlinkError) in
      MACsecMessages.changeDevice(device, settings, sequence: sequence)
    }
  }

  /// Transmit with this association, from the next frame on, if it is active.
  public func change(_ device: UInt32, encodingAssociation: UInt8) throws(NetlinkError) {
    try route { (sequence) throws(NetlinkError) in
      MACsecMessages.changeDevice(device, encodingAssociation: encodingAssociation, sequence: sequence)
    }
  }

  /// Says whether the device is fit for use: `dormant` or `up`; it has no effect while the parent is down.
  ///
  /// - Parameter isDormantByDefault: when set, decides what it becomes each time that the parent comes up.
  public func setOperationalState(
    _ device: UInt32, isDormantByDefault: Bool? = nil, _ state: Link.OperationalState
  ) throws(NetlinkError) {
    try route { (sequence) throws(NetlinkError) in
      MACsecMessages.setOperationalState(
        device, isDormantByDefault: isDormantByDefault, state, sequence: sequence)
    }
  }

  public func delete(_ device: UInt32) throws(NetlinkError) {
    try route { (sequence) throws(NetlinkError) in RouteMessages.deleteLink(index: device, sequence: sequence) }
  }

  // MARK: Channels and associations

  /// Refused with EEXIST when it is there.
  public func addChannel(_ sci: UInt64, to device: UInt32) throws(NetlinkError) {
    try generic { (family, sequence) throws(NetlinkError) in
      MACsecMessages.channel(.addChannel, family: family, device: device, sci: sci, sequence: sequence)
    }
  }

  /// Its associations go with it. Refused with ENODEV when there is none.
  public func deleteChannel(_ sci: UInt64, from device: UInt32) throws(NetlinkError) {
    try generic { (family, sequence) throws(NetlinkError) in
      MACsecMessages.channel(.deleteChannel, family: family, device: device, sci: sci, sequence: sequence)
    }
  }

  /// Installs an association with its key: of the receive channel given, or a transmit one. Refused with EBUSY when
  /// there is one of that number.
  ///
  /// - Parameter withKey: lends the key, of 16 or 32 bytes as the cipher suite asks. It is copied only into the
  ///   request, which is wiped.
  public func add(
    _ association: NewMACsecAssociation, keyLength: Int, to device: UInt32, channel: UInt64?,
    withKey: ((UnsafeRawBufferPointer) -> Void) -> Void
  ) throws(NetlinkError) {
    try withoutActuallyEscaping(withKey) { (withKey) throws(NetlinkError) in
      let secret = NetlinkSecret(range: MACsecMessages.keyRange(keyLength: keyLength), withBytes: withKey)
      try generic(secret: secret) { (family, sequence) throws(NetlinkError) in
        try MACsecMessages.add(
          association, keyLength: keyLength, family: family, device: device, channel: channel, sequence: sequence)
      }
    }
  }

  /// Changes what is given of an association. The kernel would lower a packet number too: that is for the caller to
  /// avoid.
  ///
  /// - Parameter isExtended: the suite has extended packet numbers.
  public func update(
    _ number: UInt8, isActive: Bool? = nil, packetNumber: UInt64? = nil, isExtended: Bool = false,
    of device: UInt32, channel: UInt64?
  ) throws(NetlinkError) {
    try generic { (family, sequence) throws(NetlinkError) in
      try MACsecMessages.update(
        number, isActive: isActive, packetNumber: packetNumber, isExtended: isExtended, family: family,
        device: device, channel: channel, sequence: sequence)
    }
  }

  /// Refused with EBUSY while it is active, with ENODEV when there is none.
  public func delete(_ number: UInt8, from device: UInt32, channel: UInt64?) throws(NetlinkError) {
    try generic { (family, sequence) throws(NetlinkError) in
      MACsecMessages.delete(number, family: family, device: device, channel: channel, sequence: sequence)
    }
  }

  private func route(_ make: (UInt32) throws(NetlinkError) -> NetlinkMessage) throws(NetlinkError) {
    try sockets.withLock { (sockets) throws(NetlinkError) in
      sockets.devices = nil
      _ = try sockets.route.exchange(make)
    }
  }

  private func generic(
    secret: NetlinkSecret? = nil, _ make: (UInt16, UInt32) throws(NetlinkError) -> NetlinkMessage
  ) throws(NetlinkError) {
    let family = family
    try sockets.withLock { (sockets) throws(NetlinkError) in
      sockets.devices = nil
      _ = try sockets.generic.exchange(secret: secret) { (sequence) throws(NetlinkError) in
        try make(family, sequence)
      }
    }
  }
}

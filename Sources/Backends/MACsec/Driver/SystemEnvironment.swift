// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Netlink

extension PortEnvironment {
  /// The kernel of this system, in the network namespace of the calling thread.
  ///
  /// - Parameter secyd: where the program is and keeps its sockets.
  public static func system(secyd: SecydSettings) -> PortEnvironment {
    let kernel = (try? MACsecNetlink()) ?? nil
    let hasUserspace = UserspaceSecY.isPossible(secyd)
    /// The kernel's where it can do what is asked for, else the process's.
    @Sendable func usesKernel(_ request: SecYRequest) -> Bool {
      guard kernel != nil else { return false }
      guard hasUserspace else { return true }
      return KernelSecY.capability.supports(request.configuration)
        && request.exceptions.vlanTags <= KernelSecY.capability.maximumVLANTagsInClear
        && request.kernelRefusal == nil
    }
    @Sendable func make(_ request: SecYRequest) throws(SecYError) -> any SecY {
      let isKernel =
        switch request.choice {
        case .automatic: usesKernel(request)
        case .kernel: true
        case .userspace: false
        }
      let parent = request.parent
      let name = ControlledPortName.of(parent: parent.name, index: parent.index)
      if isKernel {
        guard let kernel else { throw SecYError(.unsupported, "this kernel has no MACsec") }
        if let reason = request.kernelRefusal { throw SecYError(.unsupported, reason) }
        return KernelSecY(parent: parent.name, sci: request.sci, controlledPortName: name, kernel: kernel)
      }
      guard hasUserspace else {
        throw SecYError(.unsupported, "the program \(secyd.program) or /dev/net/tun is not there")
      }
      return try UserspaceSecY(
        parent: parent.name, sci: request.sci, controlledPortName: name, exceptions: request.exceptions,
        settings: secyd)
    }
    return PortEnvironment(
      openSocket: { link throws(MKAError) in try EAPOLSocket(interfaceIndex: link.index) }, makeSecY: make,
      capability: { choice in
        switch choice {
        case .kernel: kernel == nil ? nil : KernelSecY.capability
        case .userspace: hasUserspace ? UserspaceSecY.capability : nil
        case .automatic: hasUserspace ? UserspaceSecY.capability : kernel == nil ? nil : KernelSecY.capability
        }
      },
      guardParent: { parent, rule throws(SecYError) in
        switch rule {
        case .open:
          try MustSecureFilter.remove(from: parent)
          try ParentStack.reconnect(parent)
        case .cutOff:
          try ParentStack.ensureCutOff(parent)
          try MustSecureFilter.remove(from: parent)
        case .protectedOnly(let exceptions):
          _ = try MustSecureFilter(parent: parent, exceptions: exceptions).ensure()
          try ParentStack.ensureCutOff(parent)
        }
      }, link: { index throws(NetlinkError) in try RTNetlink.link(index: index) },
      setLink: { index, settings throws(NetlinkError) in try RTNetlink.set(link: index, settings) },
      filteredLinks: { (try? MustSecureFilter.filteredLinks()) ?? [] },
      filterWatch: try? LinkFilterWatch(),
      openLLDPSocket: { link throws(MKAError) in
        try EAPOLSocket(interfaceIndex: link.index, etherType: LLDPFrame.etherType, group: .nearestBridge)
      }, hasKernelMACsec: kernel != nil)
  }
}

// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension SKSServer.Profiles.Profile.TypeContainer.Remote.KME.Server {
  /// The one of the three kinds of address that is given (the model's constraints allow no second).
  public var host: String? { ipv4 ?? ipv6 ?? hostname }
}

extension SKSServer.Profiles.Profile.TypeContainer.Remote.KME.HTTPProxy {
  /// The one of the three kinds of address that is given (the model's constraints allow no second).
  public var host: String? { ipv4 ?? ipv6 ?? hostname }
}

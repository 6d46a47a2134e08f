# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""What NETCONF configures of a tunnel, as the published guides write it, and what swanctl does at the far end."""

from lxml import etree
from modules import BASE, CISCO, SKS
from ncclient.operations.rpc import RPCError

IKEV2 = f"{CISCO}-um-ikev2-cfg"
IPSEC = f"{CISCO}-um-ipsec-cfg"
INTERFACE = f"{CISCO}-um-interface-cfg"
TUNNEL = f"{CISCO}-um-if-tunnel-cfg"
IP_ADDRESS = f"{CISCO}-um-if-ip-address-cfg"
AGENTD_IPSEC = "urn:agentd:yang:agentd-ipsec"
PSK_HEX = "0123456789abcdef0123456789abcdef"
PPK_HEX = "fedcba9876543210fedcba9876543210"
NEAR, FAR = "192.0.2.1", "192.0.2.2"
INNER = {NEAR: "172.16.0.1", FAR: "172.16.0.2"}


def manual_ppk(key=PPK_HEX, id="ppk1", required=True):
    need = "<required/>" if required else ""
    return f"<ppk><manual><id>{id}</id><key><password>!{key}</password></key>{need}</manual></ppk>"


def dynamic_ppk(profile="kme", required=True, remote="", lifetime=""):
    need = "<required/>" if required else ""
    system = f'<remote-system-id xmlns="{AGENTD_IPSEC}">{remote}</remote-system-id>' if remote else ""
    if lifetime:
        system += f'<key-lifetime xmlns="{AGENTD_IPSEC}">{lifetime}</key-lifetime>'
    return f"<ppk><dynamic><sks-profile>{profile}</sks-profile>{need}{system}</dynamic></ppk>"


def sks_profile(address, port, name="kme"):
    return (f'<sks-server xmlns="{SKS}"><profiles><profile><profile-name>{name}</profile-name><type><remote><kme>'
            f"<server><ipv4>{address}</ipv4><port>{port}</port></server><psk><id>lab</id><key>"
            "<seven>!kmesim-lab</seven></key></psk></kme></remote></type></profile></profiles></sks-server>")


def configuration(local, remote, *, psk=PSK_HEX, ppk="", responder=False, source=None, match=None, local_identity="",
                  authentication="", trustpoint="", ike_lifetime=None, child_lifetime=None, before="", number=1,
                  inner=None, link=""):
    """All that one tunnel needs."""
    match = match or (f"<addresses><address><remote-address>{remote}</remote-address><mask>255.255.255.255</mask>"
                      "</address></addresses>")
    key = f"<pre-shared-key><password>!{psk}</password></pre-shared-key>" if psk else ""
    trust = (f"<pki><trustpoints><trustpoint><trustpoint-name>{trustpoint}</trustpoint-name></trustpoint>"
             "</trustpoints></pki>") if trustpoint else ""
    source = source or f"<ipv4-address>{local}</ipv4-address>"
    return f"""
      {before}
      <keyrings xmlns="{IKEV2}"><keyring><ikev2-keyring-name>k{number}</ikev2-keyring-name><peers><peer>
        <peer-name>other</peer-name><address>{remote}</address><mask>255.255.255.255</mask>{key}{ppk}
      </peer></peers></keyring></keyrings>
      <ikev2 xmlns="{IKEV2}">
        <proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>pr</ikev2-proposal-name>
          <encryptions><encryption>aes-cbc-256</encryption></encryptions>
          <integrities><integrity>sha-256</integrity></integrities><prfs><prf>sha-256</prf></prfs>
          <dh-groups><dh-group>20</dh-group></dh-groups>
        </ikev2-proposal-name></ikev2-proposal-names></proposal>
        <policy><ikev2-policy-names><ikev2-policy-name><ikev2-policy-name>po{number}</ikev2-policy-name>
          <match><address><locals><local><address>{local}</address></local></locals></address></match>
          <proposal><ikev2-proposal-names><ikev2-proposal-name><ikev2-proposal-name>pr</ikev2-proposal-name>
          </ikev2-proposal-name></ikev2-proposal-names></proposal>
        </ikev2-policy-name></ikev2-policy-names></policy>
        <profile><ikev2-profile-names><ikev2-profile-name><ikev2-profile-name>p{number}</ikev2-profile-name>
          <match><identity><remote>{match}</remote></identity></match>{local_identity}
          {f"<lifetime>{ike_lifetime}</lifetime>" if ike_lifetime else ""}
          {f"<keyring>k{number}</keyring>" if psk else ""}{f"<keyring-ppk>k{number}</keyring-ppk>" if ppk else ""}
          {trust}{authentication}
        </ikev2-profile-name></ikev2-profile-names></profile>
        <global><dpd>10</dpd><dpd-retry-interval>2</dpd-retry-interval><retransmission>2</retransmission></global>
      </ikev2>
      <ipsec xmlns="{IPSEC}">
        <transform-sets><transform-set><transform-set-name>ts{number}</transform-set-name>
          <transform><esp-hmac-sha-256/><esp-256-aes/></transform><mode><tunnel/></mode></transform-set>
        </transform-sets>
        <profiles><profile><profile-name>ip{number}</profile-name><set>
          <transform-set><transform1>ts{number}</transform1></transform-set><ikev2-profile>p{number}</ikev2-profile>
          {f"<security-association><lifetime><seconds>{child_lifetime}</seconds></lifetime></security-association>"
           if child_lifetime else ""}
          {"<responder-only/>" if responder else ""}
        </set></profile></profiles>
      </ipsec>
      <interfaces xmlns="{INTERFACE}"><interface><interface-name>tunnel-ip{number}</interface-name>{link}
        {addresses(inner or INNER[local])}
        <tunnel xmlns="{TUNNEL}"><source>{source}</source>
          <destination><ipv4-address>{remote}</ipv4-address></destination><mode><ipsec><ipv4/></ipsec></mode>
          <protection><ipsec><profile>ip{number}</profile></ipsec></protection></tunnel>
      </interface></interfaces>"""


def addresses(inner, mask="255.255.255.252"):
    return (f'<ipv4><addresses xmlns="{IP_ADDRESS}"><address><address>{inner}</address><netmask>{mask}</netmask>'
            "</address></addresses></ipv4>")


def interface(name, content="", operation=""):
    operation = f' xmlns:nc="{BASE}" nc:operation="{operation}"' if operation else ""
    return (f'<interfaces xmlns="{INTERFACE}"><interface{operation}><interface-name>{name}</interface-name>{content}'
            "</interface></interfaces>")


def commit(session, body, operation="merge"):
    # Parts of one container come one after the other, as an operator's automation sends them.
    try:
        for part in etree.fromstring(f"<parts>{body}</parts>"):
            session.edit_config(
                target="candidate", default_operation=operation,
                config=f'<config xmlns="{BASE}">{etree.tostring(part, encoding="unicode")}</config>')
        session.commit()
    except RPCError:
        session.discard_changes()
        raise


def swanctl(local, remote, *, ppk="", auth="psk", remote_auth="psk", local_id=None, remote_id=None, psk=PSK_HEX,
            extra="", secrets="", child="", local_extra="", remote_extra=""):
    """One tunnel in swanctl.conf."""
    return f"""
connections {{ far {{
  version = 2
  local_addrs = {local}
  remote_addrs = {remote}
  proposals = aes256-sha256-ecp384
  {extra}
  local {{ auth = {auth}
    id = {local_id or local}
    {local_extra} }}
  remote {{ auth = {remote_auth}
    id = {remote_id or remote}
    {remote_extra} }}
  children {{ c {{
    local_ts = 0.0.0.0/0
    remote_ts = 0.0.0.0/0
    esp_proposals = aes256-sha256
    {child} }} }} }} }}
secrets {{
  ike-1 {{ id = {remote_id or remote}
    secret = "{psk}" }}
  {ppk}
  {secrets} }}
"""


def plain_ppk(key=PPK_HEX, id="ppk1"):
    """A PPK in the secrets of swanctl.conf; a key that begins with 0x is in hexadecimal digits."""
    secret = key if key.startswith("0x") else f'"{key}"'
    return f"ppk-1 {{ id = {id}\n    secret = {secret} }}"

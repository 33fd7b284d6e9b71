"""What the rules say of a cluster that has come to rest, written from the design of the domain alone: which binding of a project is Active,
and may the project deploy. Looks at what users, staff and providers wrote; of what Tollgate wrote only at history: that a binding is
Superseded for good, and who holds a project now."""

from datetime import datetime, timezone

from client import ORGANIZATION, OUTCOME, PROJECT, stamp

OUTCOMES = {"active": "Active", "declined": "Failed", "expired": "Failed", "awaiting": "AwaitingConfirmation"}


class World:
    """objects: {kind: [object]}."""

    def __init__(self, objects):
        self.objects = {kind: {(one["metadata"].get("namespace"), one["metadata"]["name"]): one for one in found}
                        for kind, found in objects.items()}

    def of(self, kind):
        return list(self.objects[kind].values())

    def find(self, kind, ns, name):
        return self.objects[kind].get((ns, name))


def phase(one):
    return one.get("status", {}).get("phase")


def goes(one):
    return "deletionTimestamp" in one["metadata"]


def newest(bindings):
    return max(bindings, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]), default=None)


def label(one, key):
    return one["metadata"].get("labels", {}).get(key) if one else None


def projects(world):
    """{project: its namespace}"""
    return {label(one, PROJECT): one for one in world.of("Namespace") if label(one, PROJECT) and not goes(one)}


def in_other_organization(world, binding, project):
    there, here = label(project, ORGANIZATION), label(world.find("Namespace", None, binding["metadata"]["namespace"]), ORGANIZATION)
    return bool(there and here and there != here)


def may_become_active(world, binding, project):
    account = world.find("BillingAccount", binding["metadata"]["namespace"], binding["spec"]["billingAccountRef"]["name"])
    return bool(account and phase(account) == "Ready" and not goes(account) and not in_other_organization(world, binding, project))


def active(world, name, project):
    """(the binding that has to be Active or None, what is wrong with those that are)"""
    bindings = [one for one in world.of("BillingAccountBinding") if one["spec"]["projectRef"]["name"] == name]
    standing = [one for one in bindings if phase(one) != "Superseded" and (phase(one) == "Active" or may_become_active(world, one, project))]
    welcome = [one for one in standing if not in_other_organization(world, one, project)]
    holders = {one["metadata"]["namespace"] for one in bindings if phase(one) == "Active"}
    if len(holders) > 1:
        return None, f"held by {holders} at once"
    if welcome and not any(one["metadata"]["namespace"] in holders for one in welcome):
        return None, f"held by {holders or 'nobody'}, and {[one['metadata']['name'] for one in welcome]} could"
    wanted = newest([one for one in standing if one["metadata"]["namespace"] in holders])
    found = [one["metadata"]["name"] for one in bindings if phase(one) == "Active"]
    if found != [one["metadata"]["name"] for one in [wanted] if one]:
        return wanted, f"Active is {found} and not {wanted and wanted['metadata']['name']}"
    return wanted, None


def in_force(arrangement, account, now):
    owners = [one["uid"] for one in arrangement["metadata"].get("ownerReferences", [])]
    spec = arrangement["spec"]
    starts = stamp(spec.get("startsAt") or arrangement["metadata"]["creationTimestamp"])
    return (account["metadata"]["uid"] in owners and spec["billingAccountRef"]["name"] == account["metadata"]["name"] and not goes(arrangement)
            and starts <= now and ("endsAt" not in spec or now < stamp(spec["endsAt"])))


def pays(world, account, now):
    """The reason why not, else None."""
    ns, name = account["metadata"]["namespace"], account["metadata"]["name"]
    if any(in_force(one, account, now) for one in world.of("BillingArrangement") if one["metadata"]["namespace"] == ns):
        return None
    default = account["spec"].get("defaultPaymentMethodRef")
    if not default:
        return "PaymentMethodRequired"
    method = world.find("PaymentMethod", ns, default["name"])
    if method and phase(method) == "Active" and method["spec"]["billingAccountRef"]["name"] == name:
        return None
    return "PaymentMethodNotUsable"


def verdict(world, binding, now):
    """As the reason of DeployAllowed."""
    if not binding:
        return "NoBinding"
    account = world.find("BillingAccount", binding["metadata"]["namespace"], binding["spec"]["billingAccountRef"]["name"])
    if account and goes(account):
        return "AccountDeleting"
    if account and phase(account) == "Suspended":
        return "AccountSuspended"
    if not account or phase(account) != "Ready":
        return "AccountNotReady"
    return pays(world, account, now) or "Allowed"


def wrong_phases(world):
    """Accounts converge to Ready unless staff have said otherwise; a method of the sandbox does what its annotation says."""
    for one in world.of("BillingAccount"):
        if not goes(one) and phase(one) not in ("Ready", "Suspended", "Archived"):
            yield f"account {one['metadata']['name']} is {phase(one)}"
    for one in world.of("PaymentMethod"):
        sandbox = one["spec"].get("paymentMethodClassRef", {}).get("name") == "sandbox"
        outcome = one["metadata"].get("annotations", {}).get(OUTCOME, "active")
        if phase(one) != OUTCOMES[outcome] if sandbox else not phase(one):
            yield f"method {one['metadata']['namespace']}/{one['metadata']['name']} is {phase(one)}, its outcome {outcome}"


def disagreements(objects):
    """[sentence] for each thing in which the cluster is not as the rules say."""
    world, now = World(objects), datetime.now(timezone.utc)
    wrong = list(wrong_phases(world))
    for name, namespace in projects(world).items():
        binding, problem = active(world, name, namespace)
        if problem:
            wrong.append(f"{name}: {problem}")
            continue
        if binding and in_other_organization(world, binding, namespace):
            binding = None  # the project went to others; that it is Active is history, and pays for nothing
        reason = verdict(world, binding, now)
        shown = (world.find("ProjectBilling", name, name) or {}).get("status", {})
        reasons = [one["reason"] for one in shown.get("conditions", [])]
        if (reasons, shown.get("deployAllowed")) != ([reason], reason == "Allowed"):
            wrong.append(f"{name}: its members read {reasons}, allowed: {shown.get('deployAllowed')}, and it is {reason}")
        gate = label(namespace, "billing.miloapis.com/deploy")
        if gate != ("allowed" if reason == "Allowed" else "blocked"):
            wrong.append(f"{name}: its gate is {gate}, and it is {reason}")
    return wrong


def gives_way(binding, other):
    """May it be Superseded because of that one? Within a namespace the newer goes first; in another one, who was there first or belongs there."""
    return binding["metadata"]["namespace"] != other["metadata"]["namespace"] or newest([binding, other]) is not binding


def broken_history(events):
    """[sentence] for each moment at which a rule did not hold. events: (key, binding, or None when it was deleted) in the order of etcd."""
    wrong, now, seen = [], {}, {}
    for key, binding in events:
        before = now.pop(key, None)
        if not binding:
            continue
        now[key] = binding
        project = binding["spec"]["projectRef"]["name"]
        family = seen.setdefault(project, {})
        family[binding["metadata"]["uid"]] = binding
        same = before and before["metadata"]["uid"] == binding["metadata"]["uid"]
        if same and phase(before) == "Superseded" and phase(binding) != "Superseded":
            wrong.append(f"{key} was Superseded and is {phase(binding)}")
        if phase(binding) == "Superseded" and not any(gives_way(binding, one) for one in family.values()):
            wrong.append(f"{key} is Superseded, and nobody was ever there to give way to")
        others = [other for other, one in now.items() if phase(one) == "Active" and one["spec"]["projectRef"]["name"] == project]
        if len(others) > 1:
            wrong.append(f"{project}: {others} are Active at once")
    return wrong

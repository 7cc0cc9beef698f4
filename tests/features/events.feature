Feature: Emit and schedule
  Events of our own, and what starts a playbook.

  Scenario: An emitted event is heard by another branch
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { listen: { to: { one: { with: { type: ours.v1 } } } } } }, { b: { emit: { event: { with: { type: ours.v1, source: /x, data: { n: '${ .n }' } } } } } } ] } }
      - o: { set: { heard: '${ .[0][0].n }' } }
    """
    And given the workflow input is:
    """yaml
    n: 3
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    heard: 3
    """
    And the log should hold 1 event records

  Scenario: An event without a type faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - e: { emit: { event: { with: { type: '${ .t }' } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    """

  Scenario: Started by an event
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    schedule: { on: { one: { with: { type: order.v1 } } } }
    do:
      - a: { set: { n: '${ .[0].data.n }' } }
    """
    When this event arrives:
    """yaml
    { type: other.v1 }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 7 } }
    """
    Then the workflow should complete with output:
    """yaml
    n: 7
    """

  Scenario: Started by data, read as data
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    schedule: { on: { any: [ { with: { data: { n: 2 } } } ] }, read: data }
    do:
      - a: { set: { n: '${ .[0].n }' } }
    """
    When this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 1 } }
    """
    And this event arrives:
    """yaml
    { type: order.v1, source: 'https://shop.example', data: { id: o1, n: 2 } }
    """
    Then the workflow should complete with output:
    """yaml
    n: 2
    """

  Scenario: Every so often
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    schedule: { every: { minutes: 10 } }
    do:
      - a: { set: { x: 1 } }
    """
    When 3000 seconds pass
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And the log should hold 5 run-started records

  Scenario: After the end of the run before
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    schedule: { after: { minutes: 10 } }
    do:
      - a: { wait: PT5M }
    """
    When 3000 seconds pass
    Then the workflow should complete
    And the log should hold 3 run-started records

  Scenario: By a cron line
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    schedule: { cron: '*/15 * * * *' }
    do:
      - a: { set: { x: 1 } }
    """
    When 3600 seconds pass
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And the log should hold 4 run-started records

  Scenario: A cron line that never comes is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    schedule: { cron: '0 0 31 2 *' }
    do:
      - a: { set: { x: 1 } }
    """
    Then the definition should be refused by rule 'cron'

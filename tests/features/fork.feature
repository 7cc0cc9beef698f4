Feature: Fork
  Branches side by side, with and without a winner.

  Scenario: All outputs in the order in which they are written
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { slow: { do: [ { p: { wait: PT9S } }, { s: { set: { n: 1 } } } ] } }, { quick: { set: { n: 2 } } } ] } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 }, { n: 2 } ]
    """
    And it should take 9 seconds
    And slow should run after quick

  Scenario: Branches wait at the same time
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { wait: PT30S } }, { b: { wait: PT20S } }, { c: { wait: PT10S } } ] } }
    """
    When the workflow is executed
    Then the workflow should complete
    And it should take 30 seconds
    And b should run after c

  Scenario: The first wins
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { compete: true, branches: [ { slow: { do: [ { p: { wait: PT9S } }, { s: { set: { n: slow } } } ] } }, { quick: { do: [ { q: { wait: PT2S } }, { s2: { set: { n: quick } } } ] } } ] } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: quick
    """
    And it should take 2 seconds
    And s should not run
    And p should not run

  Scenario: All branches begin with the input of the fork
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { set: { n: '${ .x + 1 }' } } }, { b: { set: { n: '${ .x + 2 }' } } } ] } }
    """
    And given the workflow input is:
    """yaml
    x: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 2 }, { n: 3 } ]
    """

  Scenario: An error in a branch ends the others and is caught outside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { f: { fork: { branches: [ { a: { do: [ { p: { wait: PT1H } }, { late: { set: { x: 1 } } } ] } }, { b: { raise: { error: { type: 'urn:x', status: 418 } } } } ] } } } ]
          catch: { as: e, do: [ { h: { set: { s: '${ $e.status }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    s: 418
    """
    And it should take 0 seconds
    And late should not run

  Scenario: An error in a branch may be caught inside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f:
          fork:
            branches:
              - a: { try: [ { r: { raise: { error: { type: 'urn:x', status: 418 } } } } ], catch: { do: [ { h: { set: { a: saved } } } ] } }
              - b: { set: { b: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { a: saved }, { b: 1 } ]
    """

  Scenario: Branches may end the run
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { do: [ { p: { wait: PT1H } } ] } }, { b: { set: { x: 1 }, then: end } } ] } }
      - c: { set: { c: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    x: 1
    """
    And c should not run
    And it should take 0 seconds

  Scenario: Forks nest
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { fork: { branches: [ { x: { set: { n: 1 } } }, { y: { do: [ { p: { wait: PT1S } }, { z: { set: { n: 2 } } } ] } } ] } } }, { b: { set: { n: 3 } } } ] } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ [ { n: 1 }, { n: 2 } ], { n: 3 } ]
    """

  Scenario: The context is shared
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [ { a: { set: { a: 1 }, export: { as: '$context + .' } } }, { b: { do: [ { p: { wait: PT1S } }, { s: { set: { b: 2 }, export: { as: '$context + .' } } } ] } } ] } }
      - out: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { a: 1, b: 2 }
    """

  Scenario: A fork without branches is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - f: { fork: { branches: [] } }
    """
    Then the definition should be refused by rule 'type'

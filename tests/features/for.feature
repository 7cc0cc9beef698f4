Feature: For
  Each, at, while, inline lists, turns that build on each other.

  Scenario: Default names
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { in: .list }, do: [ { t: { set: { sum: '${ (.sum // 0) + $item * ($index + 1) }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    list: [1, 2, 3]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 14
    """
    And t should run 3 times
    And l should run once

  Scenario: Own names
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { each: colour, at: nr, in: .list }, do: [ { t: { set: { all: '${ (.all // []) + [{ c: $colour, n: $nr }] }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    list: [red, blue]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    all: [ { c: red, n: 0 }, { c: blue, n: 1 } ]
    """

  Scenario: An inline list
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { each: c, in: [ { hex: a }, { hex: b } ] }, do: [ { t: { set: { all: '${ (.all // []) + [$c.hex] }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    all: [ a, b ]
    """

  Scenario: An inline list with expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { each: c, in: [ { v: '${ .x }' } ] }, do: [ { t: { set: { got: '${ $c.v }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    x: 5
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: 5
    """

  Scenario: While ends it early
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l:
          for: { in: .list }
          while: (.sum // 0) < 3
          do: [ { t: { set: { sum: '${ (.sum // 0) + $item }' } } } ]
    """
    And given the workflow input is:
    """yaml
    list: [1, 2, 3, 4]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 3
    """
    And t should run 2 times

  Scenario: While sees item and place
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l:
          for: { in: [ { n: 1 }, { n: 9 }, { n: 2 } ] }
          while: $item.n < 5 and $index < 2
          do: [ { t: { set: { last: '${ $item.n }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    last: 1
    """

  Scenario: An empty list does nothing
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { in: .list }, do: [ { t: { set: { x: 1 } } } ] }
    """
    And given the workflow input is:
    """yaml
    list: []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    list: []
    """
    And t should not run

  Scenario: What is no list faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { in: .list }, do: [ { t: { set: { x: 1 } } } ] }
    """
    And given the workflow input is:
    """yaml
    list: 7
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://serverlessworkflow.io/spec/1.0.0/errors/validation
    instance: /do/0/l
    """

  Scenario: Loops nest
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          for: { each: a, in: [ { n: 1 }, { n: 2 } ] }
          do:
            - i: { for: { each: b, in: [ { n: 10 }, { n: 20 } ] }, do: [ { t: { set: { all: '${ (.all // []) + [$a.n + $b.n] }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    all: [ 11, 21, 12, 22 ]
    """

  Scenario: Exit leaves the loop
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l:
          for: { in: .list }
          do:
            - s: { switch: [ { stop: { when: $item == 3, then: exit } }, { go: { then: continue } } ] }
            - t: { set: { last: '${ $item }' } }
      - after: { set: { last: '${ .last }', after: true } }
    """
    And given the workflow input is:
    """yaml
    list: [1, 2, 3, 4]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { last: 2, after: true }
    """

  Scenario: A loop waits in each turn
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - l: { for: { in: .list }, do: [ { p: { wait: PT10S } } ] }
    """
    And given the workflow input is:
    """yaml
    list: [1, 2, 3]
    """
    When the workflow is executed
    Then the workflow should complete
    And it should take 30 seconds

  Scenario: An error in a turn is caught outside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { l: { for: { in: .list }, do: [ { r: { raise: { error: { type: 'urn:x', status: 418 } } } } ] } } ]
          catch: { as: e, do: [ { h: { set: { at: '${ $e.instance }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    list: [1]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/t/try/0/l/do/0/r
    """
